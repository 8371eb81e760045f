// Probe is a small workload that proves the harness: it answers on :8080 with what it finds out about its pod.
//
//	/healthz          200
//	/lookup?name=N    the addresses of N, or 502 with the resolver's error
//	/get?url=U        what U answers, or 502 with the error
//	/append?line=L    appends L to /data/lines and answers the whole file
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func answer(w http.ResponseWriter, body string, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprintln(w, body)
}

func get(url string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return fmt.Sprintf("%d %s", response.StatusCode, strings.TrimSpace(string(body))), err
}

func appendLine(line string) (string, error) {
	file, err := os.OpenFile("/data/lines", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer file.Close()
	if _, err = fmt.Fprintln(file, line); err != nil {
		return "", err
	}
	if err = file.Sync(); err != nil {
		return "", err
	}
	all, err := os.ReadFile("/data/lines")
	return strings.TrimSpace(string(all)), err
}

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		os.Exit(0)
	}()
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, "ok", nil) })
	http.HandleFunc("/lookup", func(w http.ResponseWriter, r *http.Request) {
		addresses, err := net.LookupHost(r.FormValue("name"))
		answer(w, strings.Join(addresses, " "), err)
	})
	http.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) {
		body, err := get(r.FormValue("url"))
		answer(w, body, err)
	})
	http.HandleFunc("/append", func(w http.ResponseWriter, r *http.Request) {
		body, err := appendLine(r.FormValue("line"))
		answer(w, body, err)
	})
	log.Println("probe listens on :8080")
	log.Fatal(http.ListenAndServe(":8080", nil))
}

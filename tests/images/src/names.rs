//! A name server: enough of RFC 1035 to answer for a few hosts over UDP.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

const HEADER: usize = 12;
const TYPE_A: u16 = 1;
const NO_SUCH_NAME: u8 = 3;

/// A name server on 127.0.0.1, port 53, until the process ends. Other names do not exist.
pub struct NameServer {
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    /// Answers that these hosts are at 127.0.0.1.
    ///
    /// # Panics
    ///
    /// When the port is taken.
    pub fn start(hosts: &[&str]) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).expect("port 53 is free");
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            let mut packet = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                let Some((name, answer)) = answer(&packet[..length], &hosts) else {
                    continue;
                };
                log.lock().expect("nobody panics with this lock").push(name);
                // Who asked may be gone.
                let _ = socket.send_to(&answer, from);
            }
        });
        Self { asked }
    }

    /// Whether this very name was asked for.
    ///
    /// # Panics
    ///
    /// Never: nobody panics while holding the lock.
    pub fn was_asked(&self, host: &str) -> bool {
        let asked = self.asked.lock().expect("nobody panics with this lock");
        asked.iter().any(|name| name == host)
    }
}

/// The name that the query asks for, and the packet that answers it.
fn answer(query: &[u8], hosts: &[String]) -> Option<(String, Vec<u8>)> {
    let mut labels = Vec::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(std::str::from_utf8(query.get(at..at + length)?).ok()?);
        at += length;
    }
    let question = query.get(HEADER..at + 4)?;
    let kind = u16::from_be_bytes([query[at], query[at + 1]]);
    let name = labels.join(".").to_lowercase();
    let known = hosts.contains(&name);
    let answers = u8::from(known && kind == TYPE_A);
    let code = if known { 0 } else { NO_SUCH_NAME };
    let mut packet = query[..2].to_vec();
    // A response, recursion wanted and available; one question, so many answers, nothing else.
    packet.extend([0x81, 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0]);
    packet.extend(question);
    if answers == 1 {
        // The name of the question, type A, class IN, 60 seconds, four bytes.
        packet.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        packet.extend(Ipv4Addr::LOCALHOST.octets());
    }
    Some((name, packet))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use rstest::rstest;

    fn query(kind: u8) -> Vec<u8> {
        let mut query = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        query.extend(b"\x01A\x07example\0\0");
        query.extend([kind, 0, 1]);
        query
    }

    #[rstest]
    #[case::known(1, &["a.example"], 0, 1)]
    #[case::known_without_ipv6(28, &["a.example"], 0, 0)]
    #[case::unknown(1, &["b.example"], NO_SUCH_NAME, 0)]
    fn a_host_has_one_address_or_does_not_exist(
        #[case] kind: u8,
        #[case] hosts: &[&str],
        #[case] code: u8,
        #[case] answers: u8,
    ) {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let (name, packet) = answer(&query(kind), &hosts).unwrap();
        assert_eq!(name, "a.example");
        assert_eq!((packet[3] & 15, packet[7]), (code, answers));
        assert_eq!(packet.ends_with(&[127, 0, 0, 1]), answers == 1);
    }

    #[test]
    fn half_a_query_is_not_answered() {
        assert!(answer(&query(1)[..15], &[]).is_none());
    }
}

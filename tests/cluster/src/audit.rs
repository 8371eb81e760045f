//! The API server's audit log: who asked for what. It proves what was not asked.
//!
//! Each finished request is one line; of a watch there are two, at its start and at its end.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde::Deserialize;

use crate::ClusterError;

/// A place in the log: what is asked for after it was taken, lies behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u64);

/// One request to the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who asked: `system:serviceaccount:NAMESPACE:NAME` for a pod.
    pub user: String,
    /// With what program.
    pub user_agent: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The plural, with its subresource: `statefulsets`, `messagingbridges/status`. Empty for a path such as `/readyz`.
    pub resource: String,
    /// The object's namespace; empty for what has none.
    pub namespace: String,
    /// The object's name; empty for a list.
    pub name: String,
    /// The HTTP status of the answer.
    pub code: u16,
    /// Whether the request only asked what would be.
    pub dry_run: bool,
    /// The path and query.
    pub uri: String,
}

impl Request {
    /// Whether it was meant to change something and did.
    pub fn mutated(&self) -> bool {
        let mutating = ["create", "update", "patch", "delete", "deletecollection"]
            .contains(&self.verb.as_str());
        mutating && !self.dry_run && (200..300).contains(&self.code)
    }
}

/// The log of one API server.
#[derive(Debug, Clone)]
pub struct Audit {
    path: PathBuf,
}

impl Audit {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The end of the log as it is now.
    pub fn mark(&self) -> Result<Mark, ClusterError> {
        let metadata = std::fs::metadata(&self.path).map_err(ClusterError::file(&self.path))?;
        Ok(Mark(metadata.len()))
    }

    /// What was asked since `mark`, in the order of the answers. A line that is just being written comes the next time.
    pub fn since(&self, mark: Mark) -> Result<Vec<Request>, ClusterError> {
        let mut text = String::new();
        let mut file = File::open(&self.path).map_err(ClusterError::file(&self.path))?;
        file.seek(SeekFrom::Start(mark.0))
            .and_then(|_| file.read_to_string(&mut text))
            .map_err(ClusterError::file(&self.path))?;
        Ok(text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .filter_map(parse)
            .collect())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: ResponseStatus,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}

/// A line of the log; none for a stage that says nothing new, and for what is not of this log.
fn parse(line: &str) -> Option<Request> {
    let event: Event = serde_json::from_str(line).ok()?;
    if event.stage == "ResponseComplete" && event.verb == "watch" {
        return None;
    }
    let ObjectRef {
        resource,
        subresource,
        namespace,
        name,
    } = event.object_ref;
    Some(Request {
        user: event.user.username,
        user_agent: event.user_agent,
        verb: event.verb,
        resource: if subresource.is_empty() {
            resource
        } else {
            format!("{resource}/{subresource}")
        },
        namespace,
        name,
        code: event.response_status.code,
        dry_run: event.request_uri.contains("dryRun=All"),
        uri: event.request_uri,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"1",
        "stage":"ResponseComplete","requestURI":"/api/v1/namespaces/a/configmaps/b?dryRun=All&fieldManager=c",
        "verb":"patch","user":{"username":"admin","groups":["system:masters"]},"sourceIPs":["10.250.0.1"],
        "userAgent":"kubectl/v1.36.3","objectRef":{"resource":"configmaps","namespace":"a","name":"b",
        "apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200}}"#;

    #[test]
    fn a_line_tells_who_asked_for_what() {
        let request = parse(PATCH).expect("a line");
        assert_eq!(
            (request.user.as_str(), request.verb.as_str()),
            ("admin", "patch")
        );
        assert_eq!(
            (request.resource.as_str(), request.namespace.as_str()),
            ("configmaps", "a")
        );
        assert_eq!(
            (request.name.as_str(), request.code, request.dry_run),
            ("b", 200, true)
        );
        assert!(!request.mutated(), "a dry run changes nothing");
    }

    #[test]
    fn a_subresource_is_named_with_its_resource() {
        let line = PATCH
            .replace(r#""name":"b","#, r#""name":"b","subresource":"status","#)
            .replace("dryRun=All&", "");
        let request = parse(&line).expect("a line");
        assert_eq!(request.resource, "configmaps/status");
        assert!(request.mutated());
    }

    #[test]
    fn a_watch_counts_once_at_its_start() {
        let started = PATCH
            .replace(r#""patch""#, r#""watch""#)
            .replace("ResponseComplete", "ResponseStarted");
        assert!(parse(&started).is_some());
        assert_eq!(
            parse(&started.replace("ResponseStarted", "ResponseComplete")),
            None
        );
    }

    #[test]
    fn half_a_line_is_left_for_the_next_time() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let line = PATCH.replace('\n', " ");
        std::fs::write(file.path(), format!("{line}\n{}", &line[..40])).expect("written");
        let audit = Audit::new(file.path().to_owned());
        assert_eq!(audit.since(Mark(0)).expect("read").len(), 1);
    }
}

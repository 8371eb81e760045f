//! Which backend a path goes to, and which path the backend sees.

use std::str::FromStr;

/// One rule of an Ingress: paths below a prefix go to a backend.
///
/// A segment `{name}` of the prefix stands for any one segment, and `{name}` in the backend for what it was: one rule
/// then serves every namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    segments: Vec<String>,
    /// The backend's address, without a slash at the end.
    backend: String,
    /// Whether the backend sees the path without the prefix, as with a rewrite rule.
    strip: bool,
}

impl FromStr for Route {
    type Err = String;

    /// `/prefix=http://backend`, or `/prefix=strip:http://backend`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (prefix, target) = text
            .split_once('=')
            .ok_or("write /prefix=http://backend, or /prefix=strip:http://backend")?;
        let (strip, backend) = match target.strip_prefix("strip:") {
            Some(backend) => (true, backend),
            None => (false, target),
        };
        if !prefix.starts_with('/') || !backend.starts_with("http://") {
            return Err("begin the prefix with / and the backend with http://".to_owned());
        }
        Ok(Self {
            segments: prefix
                .split('/')
                .filter(|segment| !segment.is_empty())
                .map(str::to_owned)
                .collect(),
            backend: backend.trim_end_matches('/').to_owned(),
            strip,
        })
    }
}

impl Route {
    /// The URL at the backend, if the path is this route's. `path_and_query` is passed on byte by byte.
    fn target(&self, path_and_query: &str) -> Option<String> {
        let mut rest = path_and_query;
        let mut backend = self.backend.clone();
        for expected in &self.segments {
            let after = rest.strip_prefix('/')?;
            let end = after.find(['/', '?']).unwrap_or(after.len());
            let (segment, remainder) = after.split_at(end);
            if expected.starts_with('{') {
                backend = backend.replace(expected.as_str(), segment);
            } else if expected != segment {
                return None;
            }
            rest = remainder;
        }
        let seen = if self.strip { rest } else { path_and_query };
        let slash = if seen.starts_with('/') { "" } else { "/" };
        Some(format!("{backend}{slash}{seen}"))
    }
}

/// The URL at the backend of the route with the longest prefix.
pub(crate) fn target(routes: &[Route], path_and_query: &str) -> Option<String> {
    routes
        .iter()
        .filter_map(|route| Some((route.segments.len(), route.target(path_and_query)?)))
        .max_by_key(|(length, _)| *length)
        .map(|(_, target)| target)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::kept(
        "/a=http://b",
        "/a/twilio/inbound?x=%20",
        Some("http://b/a/twilio/inbound?x=%20")
    )]
    #[case::stripped(
        "/a=strip:http://b:80",
        "/a/twilio/inbound",
        Some("http://b:80/twilio/inbound")
    )]
    #[case::stripped_to_nothing("/a=strip:http://b", "/a?x=1", Some("http://b/?x=1"))]
    #[case::whole_host("/=http://b", "/a", Some("http://b/a"))]
    #[case::another_word("/a=http://b", "/ab", None)]
    #[case::any_word(
        "/a/{x}=strip:http://r.{x}.svc",
        "/a/t1/twilio",
        Some("http://r.t1.svc/twilio")
    )]
    #[case::any_word_kept(
        "/{x}=http://r.{x}.svc",
        "/t1/twilio",
        Some("http://r.t1.svc/t1/twilio")
    )]
    #[case::no_word("/a/{x}=http://r.{x}.svc", "/a", None)]
    fn a_path_is_kept_or_stripped(
        #[case] route: &str,
        #[case] path: &str,
        #[case] expected: Option<&str>,
    ) {
        let routes = [route.parse().unwrap()];
        assert_eq!(target(&routes, path).as_deref(), expected);
    }

    #[test]
    fn the_longest_prefix_wins() {
        let routes =
            ["/=http://all", "/a=http://a", "/a/b=http://b"].map(|route| route.parse().unwrap());
        assert_eq!(target(&routes, "/a/b/c").unwrap(), "http://b/a/b/c");
    }

    #[rstest]
    #[case::no_backend("/a")]
    #[case::no_slash("a=http://b")]
    #[case::tls_behind("/a=https://b")]
    fn what_is_no_route_is_refused(#[case] route: &str) {
        assert!(route.parse::<Route>().is_err());
    }
}

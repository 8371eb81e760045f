//! The forms and CEL rules that the fields of the API are bound to, each with the sentence that names its fix.
//!
//! A form stands twice in the schema: as `pattern`, which editors and linters understand, and as a CEL rule, because
//! the API server's message for a pattern is the pattern itself. Patterns avoid the backslash: the same text is then
//! valid in RE2 (API server), in Rust's engines (offline), inside CEL's quotes and in YAML.

use kube::core::Rule;

/// A phone number in E.164 form.
pub(crate) const E164: &str = "^[+][1-9][0-9]{6,14}$";
pub(crate) const E164_FIX: &str = "write the number in E.164 form and in quotes: a plus sign, the country code and \
    the number, digits only, for example \"+15551230000\"";

/// A name of a Secret: a DNS subdomain as in RFC 1123.
pub(crate) const DNS_SUBDOMAIN: &str =
    "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
pub(crate) const SECRET_NAME_FIX: &str = "write the name of a Secret in the bridge's namespace: lower-case letters, \
    digits, '-' and '.', beginning and ending with a letter or digit";

/// What [`DNS_SUBDOMAIN`] means where a storage class is named.
pub(crate) const STORAGE_CLASS_FIX: &str = "write the name of a StorageClass (kubectl get storageclasses): lower-case \
    letters, digits, '-' and '.', beginning and ending with a letter or digit";

/// A SID of a Messaging Service.
pub(crate) const MESSAGING_SERVICE: &str = "^MG[0-9a-fA-F]{32}$";
pub(crate) const MESSAGING_SERVICE_FIX: &str =
    "write the Messaging Service's SID as Twilio shows it: MG and 32 hexadecimal digits";

/// A name of a Twilio region or edge, as it stands in Twilio's host names.
pub(crate) const TWILIO_PLACE: &str = "^[a-z0-9-]{2,20}$";
pub(crate) const TWILIO_REGION_FIX: &str =
    "write Twilio's name of the region in lower case: us1, ie1 or au1";
pub(crate) const TWILIO_EDGE_FIX: &str =
    "write Twilio's name of the edge in lower case, for example ashburn, dublin or sydney";

/// The rule that goes with a `pattern` and says what to write instead.
pub(crate) fn form(pattern: &str, fix: &str) -> Rule {
    Rule::new(format!("self.matches('{pattern}')")).message(fix)
}

/// No blanks around a name that is compared exactly with the platform's.
pub(crate) fn no_outer_blanks() -> Rule {
    Rule::new("self == self.trim()").message(
        "remove the blanks before and after the name: it must equal the name in Genesys Cloud exactly",
    )
}

/// The queue and its volume.
pub(crate) mod queue {
    use kube::core::Rule;

    /// A size of a volume.
    pub(crate) const SIZE: &str = "^[1-9][0-9]{0,6}(Mi|Gi|Ti)$";
    pub(crate) const SIZE_FIX: &str =
        "write the size as a whole number of Mi, Gi or Ti, for example 1Gi";

    pub(crate) fn exactly_one() -> Rule {
        Rule::new("has(self.embedded)")
            .message("write one kind of queue, for example embedded: {size: 1Gi}")
    }

    pub(crate) fn enough() -> Rule {
        Rule::new(format!(
            "!self.matches('{SIZE}') || quantity(self).compareTo(quantity('128Mi')) >= 0"
        ))
        .message(
            "give the queue 128Mi or more: 64Mi are kept free so that a full queue still drains",
        )
    }

    pub(crate) fn no_shrinking() -> Rule {
        Rule::new(format!(
            "!self.matches('{SIZE}') || quantity(self).compareTo(quantity(oldSelf)) >= 0"
        ))
        .message("keep the size or write a larger one: a volume cannot shrink")
    }

    pub(crate) fn same_storage_class() -> Rule {
        Rule::new("self == oldSelf").message(
            "keep the storage class: a volume cannot move; delete the bridge and its claim to begin on another one",
        )
    }
}

/// The parts of a public URL, one rule each, so that a wrong URL is answered with the one thing to change: a rule is
/// silent where another one names the fix.
///
/// The CEL functions for URLs are not used: they normalise (a default port vanishes), and both platforms sign the URL
/// as it is written.
pub(crate) mod public_url {
    use kube::core::Rule;

    /// What stands before an '@' is told to go first; it would be taken for host and port.
    const WITH_CREDENTIALS: &str = "self.matches('^https://[^/?#]*@')";

    pub(crate) fn https() -> Rule {
        Rule::new("self.startsWith('https://')")
            .message("begin the URL with https://: both platforms call webhooks over TLS")
    }

    pub(crate) fn no_query_or_fragment() -> Rule {
        Rule::new("!self.contains('?') && !self.contains('#')").message(
            "remove '?' or '#' and what follows: query and fragment of the webhooks' URLs are the relay's own",
        )
    }

    pub(crate) fn no_credentials() -> Rule {
        Rule::new(format!("!{WITH_CREDENTIALS}")).message(
            "remove the user name and password before '@': webhooks are authenticated by their signature",
        )
    }

    pub(crate) fn default_port() -> Rule {
        let host = "^https://[A-Za-z0-9._-]*";
        Rule::new(format!(
            "{WITH_CREDENTIALS} || !self.matches('{host}:') || self.matches('{host}:443([/?#]|$)')"
        ))
        .message("remove the port: Genesys Cloud calls webhooks on port 443 only")
    }

    pub(crate) fn no_underscore() -> Rule {
        Rule::new(format!(
            "{WITH_CREDENTIALS} || !self.matches('^https://[^/?#]*_')"
        ))
        .message("use a host name without underscore: many TLS clients refuse such a host")
    }

    pub(crate) fn host() -> Rule {
        let label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
        Rule::new(format!(
            "!self.startsWith('https://') || self.matches('^https://[^/?#]*[@_]') || \
             self.matches('^https://({label}[.])+{label}(:[^/?#]*)?([/?#]|$)')"
        ))
        .message(
            "write a public host name with a dot, in lower case, for example https://bridge.example.com",
        )
    }

    pub(crate) fn path() -> Rule {
        Rule::new(
            "!self.startsWith('https://') || (self.matches('^https://[^/?#]*([?#]|(/[A-Za-z0-9._~-]+)*/?([?#]|$))') && \
             !self.matches('^https://[^/?#]*(/[^?#]*)?/[.][.]?([/?#]|$)'))",
        )
        .message(
            "keep the path plain, for example /acme: letters, digits, '.', '_', '~' and '-', no '//', '/./' or '/../': \
             proxies rewrite anything else, and a rewritten URL breaks the signatures",
        )
    }
}

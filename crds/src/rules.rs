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

/// Failure notices are a message with attributes, which the guide's shape has no place for.
pub(crate) fn notices_need_current() -> Rule {
    Rule::new(
        "!has(self.failureNotices) || !self.failureNotices || !has(self.wireProfile) || self.wireProfile != 'Guide'",
    )
    .message("remove failureNotices or write wireProfile: Current: the guide's shape cannot mark a message as ours")
}

/// How long a message may be sent.
pub(crate) mod validity {
    use kube::core::Rule;

    /// Hours, minutes and seconds, in this order, each a whole number.
    pub(crate) const FORM: &str = "^([1-9][0-9]{0,2}h)?([1-9][0-9]{0,3}m)?([1-9][0-9]{0,4}s)?$";
    pub(crate) const FIX: &str =
        "write hours, minutes and seconds in this order, whole numbers, for example 4h or 1h30m";
    /// In seconds; Twilio keeps no message queued for longer.
    pub(crate) const RANGE: std::ops::RangeInclusive<u32> = 60..=36_000;

    pub(crate) fn in_range() -> Rule {
        Rule::new(format!(
            "!self.matches('{FORM}') || self == '' || \
             (duration(self) >= duration('1m') && duration(self) <= duration('10h'))"
        ))
        .message("write a time between 1m and 10h: Twilio keeps no message queued for longer than ten hours")
    }

    /// The seconds of a validity of this form.
    pub(crate) fn seconds(text: &str) -> Option<u32> {
        let (mut seconds, mut number) = (0_u32, String::new());
        for letter in text.chars() {
            let unit = match letter {
                '0'..='9' => {
                    number.push(letter);
                    continue;
                }
                'h' => 3600,
                'm' => 60,
                's' => 1,
                _ => return None,
            };
            let count: u32 = std::mem::take(&mut number).parse().ok()?;
            seconds = seconds.checked_add(count.checked_mul(unit)?)?;
        }
        (number.is_empty() && RANGE.contains(&seconds)).then_some(seconds)
    }
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

    /// Rules of a field are not asked when the field goes: these are the spec's.
    pub(crate) fn size_stays() -> Rule {
        Rule::new(format!("!{} || {}", has("oldSelf", "size"), has("self", "size"))).message(
            "keep queue.embedded.size, or write a larger one: the volume has that size, and cannot shrink",
        )
    }

    pub(crate) fn storage_class_stays() -> Rule {
        let [before, after] = ["oldSelf", "self"].map(|spec| has(spec, "storageClassName"));
        Rule::new(format!("{before} == {after}")).message(
            "leave queue.embedded.storageClassName as it was when the bridge was made: a volume cannot move; delete \
             the bridge and its claim to begin on another class",
        )
    }

    fn has(spec: &str, field: &str) -> String {
        format!(
            "(has({spec}.queue) && has({spec}.queue.embedded) && has({spec}.queue.embedded.{field}))"
        )
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

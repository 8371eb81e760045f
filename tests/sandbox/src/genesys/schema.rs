//! Checks a JSON body as the platform does: required fields and known values are enforced, unknown fields ignored.

use jiff::Timestamp;
use serde_json::Value;

/// What a value must be.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A string.
    Text,
    /// A string that is not empty.
    Id,
    /// ISO 8601 with a time zone.
    Time,
    Bool,
    /// One of these strings; upper and lower case do not matter.
    OneOf(&'static str, &'static [&'static str]),
    /// An object whose values are strings.
    TextMap,
    Object(&'static [Field]),
    List(&'static Shape),
}

/// A field of an object.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) shape: Shape,
}

/// A field that must be there.
pub(crate) const fn required(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        required: true,
        shape,
    }
}

/// A field that may be there.
pub(crate) const fn optional(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        required: false,
        shape,
    }
}

/// What is wrong with a body, as the platform says it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Shape {
    /// The first violation, if any.
    pub(crate) fn check(&self, path: &str, value: &Value) -> Result<(), Violation> {
        match self {
            Self::Text => require(value.is_string(), path, "a string"),
            Self::Id => require(
                value.as_str().is_some_and(|id| !id.is_empty()),
                path,
                "a string that is not empty",
            ),
            Self::Bool => require(value.is_boolean(), path, "true or false"),
            Self::Time => match value.as_str().map(str::parse::<Timestamp>) {
                Some(Ok(_)) => Ok(()),
                _ => Err(Violation {
                    code: "invalid.date",
                    message: format!("{path} is not an ISO-8601 date-time"),
                }),
            },
            Self::OneOf(kind, allowed) => one_of(path, value, kind, allowed),
            Self::TextMap => {
                let fine = value
                    .as_object()
                    .is_some_and(|map| map.values().all(Value::is_string));
                require(fine, path, "a map of strings")
            }
            Self::Object(fields) => {
                let Some(object) = value.as_object() else {
                    return require(false, path, "an object");
                };
                fields
                    .iter()
                    .try_for_each(|field| field.check(path, object.get(field.name)))
            }
            Self::List(item) => match value.as_array() {
                Some(items) => items
                    .iter()
                    .enumerate()
                    .try_for_each(|(index, value)| item.check(&format!("{path}[{index}]"), value)),
                None => require(false, path, "a list"),
            },
        }
    }
}

impl Field {
    fn check(&self, parent: &str, value: Option<&Value>) -> Result<(), Violation> {
        let path = if parent.is_empty() {
            self.name.to_owned()
        } else {
            format!("{parent}.{}", self.name)
        };
        match value {
            None | Some(Value::Null) if self.required => Err(Violation {
                code: "bad.request",
                message: format!("{path} is required"),
            }),
            None | Some(Value::Null) => Ok(()),
            Some(value) => self.shape.check(&path, value),
        }
    }
}

fn require(fine: bool, path: &str, what: &str) -> Result<(), Violation> {
    if fine {
        return Ok(());
    }
    let path = if path.is_empty() { "The body" } else { path };
    Err(Violation {
        code: "bad.request",
        message: format!("{path} must be {what}"),
    })
}

fn one_of(path: &str, value: &Value, kind: &str, allowed: &[&str]) -> Result<(), Violation> {
    let Some(text) = value.as_str() else {
        return require(false, path, "a string");
    };
    if allowed.iter().any(|known| known.eq_ignore_ascii_case(text)) {
        return Ok(());
    }
    let message = format!(
        "Value [{text}] is not valid for field type [{kind}]. Allowable values are: {}",
        allowed.join(", ")
    );
    Err(Violation {
        code: "invalid.value",
        message,
    })
}

//! From text to one document; syntax errors say line and column and never quote the text.

use serde_json::Value;

use super::Problem;

/// The only document of the text. Empty documents (a `---` at the end) do not count.
pub(super) fn single_document(yaml: &str) -> Result<Value, Problem> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(yaml).map_err(|error| syntax(&error))?;
    let count = documents.len();
    let mut documents = documents.into_iter();
    match (documents.next(), count) {
        (Some(document), 1) => Ok(document),
        (None, _) => Err(Problem::of_document("is empty: write one MessagingBridge")),
        _ => Err(Problem::of_document(format!(
            "holds {count} documents: write one MessagingBridge a file, the others elsewhere"
        ))),
    }
}

fn syntax(error: &serde_saphyr::Error) -> Problem {
    let text = error.without_snippet().to_string();
    let message = match error.location() {
        Some(at) if !text.contains("line ") => {
            format!(
                "is not valid YAML at line {}, column {}: {text}",
                at.line(),
                at.column()
            )
        }
        _ => format!("is not valid YAML: {text}"),
    };
    Problem::of_document(message)
}

//! The matrix as comma-separated values (RFC 4180), one line for each cell.

use std::borrow::Cow;
use std::io::{self, Write};

use airtight_model::path::reach::Reachability;

use super::{layer, word};
use crate::text::one_line;

/// Writes every cell: source, destination, verdict, the layer that denies, and the rules that decide.
///
/// # Errors
/// Those of `out`.
pub fn csv(out: &mut dyn Write, reach: &Reachability<'_, '_>) -> io::Result<()> {
    out.write_all(b"from,to,verdict,layer,rules\r\n")?;
    for cell in reach.cells() {
        let rules: Vec<String> = cell.deciding().flat_map(|basis| &basis.rules).map(ToString::to_string).collect();
        let fields = [
            reach.row_name(cell.row),
            reach.target_name(cell.target),
            word(cell.verdict).to_owned(),
            layer(cell.verdict).map(|layer| layer.to_string()).unwrap_or_default(),
            rules.join("; "),
        ];
        let line: Vec<String> = fields.iter().map(|field| quoted(&one_line(field)).into_owned()).collect();
        write!(out, "{}\r\n", line.join(","))?;
    }
    Ok(())
}

fn quoted(field: &str) -> Cow<'_, str> {
    if field.contains([',', '"', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", field.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(field)
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a, \"b\""), "\"a, \"\"b\"\"\"");
    }
}

//! The matrix as a graph in DOT, the language of Graphviz: an edge for each pair of which something gets through.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use airtight_model::path::reach::{CellVerdict, Reachability};

use crate::text::one_line;

/// What gets through between two ends: worst first, and on which ports.
type Edges = BTreeMap<(String, String, bool), BTreeSet<String>>;

/// Writes sources and destinations as nodes, grouped by namespace, and what gets through (or may) as edges; dashed where
/// it depends on the request or is unknown.
///
/// # Errors
/// Those of `out`.
pub fn dot(out: &mut dyn Write, reach: &Reachability<'_, '_>) -> io::Result<()> {
    let mut edges = Edges::new();
    for cell in reach.cells() {
        let certain = match cell.verdict {
            CellVerdict::Allowed => true,
            CellVerdict::ByRequest | CellVerdict::Unknown => false,
            CellVerdict::Denied(_) | CellVerdict::Absent => continue,
        };
        let target = reach.target_name(cell.target);
        let (to, port) = target.rsplit_once(':').unwrap_or((&target, ""));
        let key = (one_line(&reach.row_name(cell.row)), one_line(to), certain);
        edges.entry(key).or_default().insert(one_line(port));
    }
    writeln!(out, "digraph reachability {{\n  rankdir=LR;\n  node [shape=box];")?;
    for (namespace, nodes) in by_namespace(&edges) {
        match namespace {
            Some(namespace) => {
                let name = quoted(&format!("cluster_{namespace}"));
                writeln!(out, "  subgraph {name} {{\n    label={};", quoted(&namespace))?;
                nodes.iter().try_for_each(|node| writeln!(out, "    {};", quoted(node)))?;
                writeln!(out, "  }}")?;
            }
            None => nodes.iter().try_for_each(|node| writeln!(out, "  {};", quoted(node)))?,
        }
    }
    for ((from, to, certain), ports) in &edges {
        let style = if *certain { "" } else { " style=dashed" };
        let label = ports.iter().cloned().collect::<Vec<_>>().join(", ");
        writeln!(out, "  {} -> {} [label={}{style}];", quoted(from), quoted(to), quoted(&label))?;
    }
    writeln!(out, "}}")
}

/// Ends by their namespaces; those outside of any come first.
fn by_namespace(edges: &Edges) -> BTreeMap<Option<String>, BTreeSet<&str>> {
    let mut nodes: BTreeMap<Option<String>, BTreeSet<&str>> = BTreeMap::new();
    for (from, to, _) in edges.keys() {
        for end in [from, to] {
            let namespace = end.split_once('/').map(|(namespace, _)| namespace.to_owned());
            nodes.entry(namespace).or_default().insert(end);
        }
    }
    nodes
}

/// A string of the language: quotes and backslashes are escaped.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn no_name_ends_its_string() {
        assert_eq!(quoted("a\"]; b\\"), "\"a\\\"]; b\\\\\"");
    }
}

//! The matrix as data.

use std::cell::RefCell;
use std::collections::HashMap;

use airtight_manifest::RuleRef;
use airtight_matrix::run::draft::PassingRequests;
use airtight_model::path::reach::{Cell, Reachability};
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

use super::exposure::Exposure;
use super::summary::Summary;
use super::{layer, word};

/// The matrix as data: `summary`, `exposure`, `classes`, `cells` and the `rules` to which cells refer by index.
///
/// Cells are serialized one by one, so that a matrix of millions of them needs no second copy in memory.
#[derive(Debug)]
pub struct Document<'a> {
    reach: &'a Reachability<'a, 'a>,
    requests: &'a PassingRequests,
}

impl<'a> Document<'a> {
    /// The document of a matrix.
    #[must_use]
    pub fn of(reach: &'a Reachability<'a, 'a>, requests: &'a PassingRequests) -> Self {
        Self { reach, requests }
    }
}

/// Rules by index, in the order in which cells name them.
#[derive(Default)]
struct Rules<'a> {
    ids: RefCell<HashMap<&'a RuleRef, usize>>,
}

impl<'a> Rules<'a> {
    fn id(&self, rule: &'a RuleRef) -> usize {
        let mut ids = self.ids.borrow_mut();
        let next = ids.len();
        *ids.entry(rule).or_insert(next)
    }

    fn in_order(&self) -> Vec<&'a RuleRef> {
        let ids = self.ids.borrow();
        let mut rules: Vec<(&RuleRef, usize)> = ids.iter().map(|(rule, id)| (*rule, *id)).collect();
        rules.sort_by_key(|(_, id)| *id);
        rules.into_iter().map(|(rule, _)| rule).collect()
    }
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rules = Rules::default();
        let mut document = serializer.serialize_struct("Document", 5)?;
        document.serialize_field("summary", &Counts(Summary::of(self.reach)))?;
        document.serialize_field("exposure", &Exposure::of(self.reach))?;
        let classes: Vec<ClassView<'_>> = self.reach.classes().iter().map(ClassView::of).collect();
        document.serialize_field("classes", &classes)?;
        document.serialize_field("cells", &Cells { reach: self.reach, requests: self.requests, rules: &rules })?;
        document.serialize_field("rules", &rules.in_order())?;
        document.end()
    }
}

struct Counts(Summary);

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("cells", &self.0.total())?;
        for (word, number) in self.0.words() {
            map.serialize_entry(word, &number)?;
        }
        map.serialize_entry("denied-by", &self.0.layers().into_iter().collect::<std::collections::BTreeMap<_, _>>())?;
        map.end()
    }
}

#[derive(Serialize)]
struct ClassView<'a> {
    name: &'a str,
    pods: usize,
    enrolment: airtight_model::world::Enrolment,
}

impl<'a> ClassView<'a> {
    fn of(class: &'a airtight_model::path::reach::Class) -> Self {
        Self { name: &class.name, pods: class.pods.len(), enrolment: class.enrolment }
    }
}

struct Cells<'a> {
    reach: &'a Reachability<'a, 'a>,
    requests: &'a PassingRequests,
    rules: &'a Rules<'a>,
}

impl Serialize for Cells<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.reach.cells().map(|cell| self.view(&cell)))
    }
}

#[derive(Serialize)]
struct CellView<'a> {
    from: String,
    to: String,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<airtight_model::policy::Layer>,
    rules: Vec<usize>,
    /// Requests that pass, where requests decide and some were tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<&'a [String]>,
}

impl<'a> Cells<'a> {
    fn view(&self, cell: &Cell<'a>) -> CellView<'a> {
        let mut rules: Vec<usize> =
            cell.deciding().flat_map(|basis| &basis.rules).map(|rule| self.rules.id(rule)).collect();
        rules.sort_unstable();
        rules.dedup();
        CellView {
            from: self.reach.row_name(cell.row),
            to: self.reach.target_name(cell.target),
            verdict: word(cell.verdict),
            layer: layer(cell.verdict),
            rules,
            requests: self.requests.at(cell.row, cell.target),
        }
    }
}

//! What becomes of a mutant: the world with it, the part of the matrix that it can touch, and what nobody noticed.

use std::collections::BTreeSet;
use std::sync::Arc;

use airtight_manifest::{Diagnostic, Document};
use airtight_model::path::Engine;
use airtight_model::world::{AdmissionEvent, Changed, NamedPort, build};

use super::measure::Input;
use super::mutant::Mutant;
use super::proof::Census;
use super::record::Fate;
use super::subject::Subject;
use super::touch::{Range, Touching};
use crate::judge::Verdict;
use crate::model::Model;
use crate::run::judge_all;
use crate::scenario::CaseId;

/// Everything that a mutant is tried on.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    pub(super) input: Input<'a>,
    pub(super) base: &'a Engine<'a>,
    pub(super) touching: Touching<'a>,
    pub(super) passing: BTreeSet<CaseId>,
    /// Errors that a run ends with already.
    pub(super) errors: BTreeSet<String>,
    /// Where pods listen that do not say so: no policy changes that.
    pub(super) ports: Vec<NamedPort>,
    pub(super) census: Census<'a>,
}

impl Trial<'_> {
    /// What becomes of a mutant of a subject.
    pub(super) fn fate(&self, subject: &Subject<'_>, mutant: &Mutant) -> Fate {
        let range = Range::of(&subject.resource, &self.input.stack.istio.root_namespace);
        match &mutant.edit {
            None => self.without(subject, mutant, &range),
            Some(edit) => match edit.apply(&subject.document.root, &mutant.path) {
                Some(root) if root != *subject.document.root => {
                    let document = Document { file: Arc::clone(&subject.document.file), root: Arc::new(root) };
                    self.with(subject, mutant, document, &range)
                }
                Some(_) | None => Fate::Stillborn { why: "it changes nothing".to_owned() },
            },
        }
    }

    fn without(&self, subject: &Subject<'_>, mutant: &Mutant, range: &Range) -> Fate {
        let judges = subject.resource.enforcer().is_some_and(airtight_manifest::Enforcer::judges_flows);
        if !judges {
            let mut documents = self.input.documents.to_vec();
            documents.remove(mutant.document);
            return self.rebuilt(subject, mutant, &documents);
        }
        let world = self.base.world().without(&mutant.object);
        self.judged(subject, mutant, &self.base.without(&world, &mutant.object), (range, &[]))
    }

    fn with(&self, subject: &Subject<'_>, mutant: &Mutant, document: Document, range: &Range) -> Fate {
        if !self.touching.is_requested(&mutant.object) {
            match self.base.world().with_changed(&document) {
                Changed::Refused(findings) => return stillborn(&findings),
                Changed::World(world) => {
                    let engine = self.base.changed(&world, &mutant.object);
                    return self.judged(subject, mutant, &engine, (range, &[]));
                }
                Changed::Open => {}
            }
        }
        let mut documents = self.input.documents.to_vec();
        documents[mutant.document] = document;
        self.rebuilt(subject, mutant, &documents)
    }

    fn rebuilt(&self, subject: &Subject<'_>, mutant: &Mutant, documents: &[Document]) -> Fate {
        let built = match build(documents, self.input.environment, self.input.stack.clone()) {
            Ok(built) => built,
            Err(findings) => return stillborn(&findings),
        };
        let refused = built.world.admission.iter().find_map(|event| match event {
            AdmissionEvent::Rejected { object, findings, rule: None } if *object == mutant.object => Some(findings),
            AdmissionEvent::Rejected { .. } | AdmissionEvent::Mutated { .. } | AdmissionEvent::Generated { .. } => None,
        });
        if let Some(findings) = refused {
            return stillborn(findings);
        }
        let world = built.world.with_named_ports(&self.ports);
        self.judged(subject, mutant, &Engine::compile(&world), (&Range::Everywhere, &built.findings))
    }

    fn judged(
        &self,
        subject: &Subject<'_>,
        mutant: &Mutant,
        engine: &Engine<'_>,
        (range, findings): (&Range, &[Diagnostic]),
    ) -> Fate {
        let by = self.missed(engine, range);
        if !by.is_empty() {
            return Fate::Killed { by };
        }
        let own = engine.findings();
        let errors = findings.iter().chain(&own).filter(|finding| finding.is_error());
        match errors.map(|finding| &finding.message).find(|message| !self.errors.contains(*message)) {
            Some(why) => Fate::Named { why: why.clone() },
            None => self.census.fate(subject, mutant, engine),
        }
    }

    /// Cases that pass, and not with the mutant.
    fn missed(&self, engine: &Engine<'_>, range: &Range) -> Vec<CaseId> {
        let part = self.touching.part(range);
        if part.cases.is_empty() {
            return Vec::new();
        }
        let judged = judge_all(&part, &mut Model::terse(engine));
        let missed = judged.iter().filter(|case| case.judgement.verdict != Verdict::Pass);
        missed.map(|case| case.case.id.clone()).filter(|id| self.passing.contains(id)).collect()
    }
}

fn stillborn(findings: &[Diagnostic]) -> Fate {
    let why = findings.first().map_or_else(|| "the API server refuses it".to_owned(), |first| first.message.clone());
    Fate::Stillborn { why }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use airtight_manifest::load;
    use airtight_manifest::stack::Stack;
    use airtight_model::world::Environment;

    use super::super::mutate::mutants;
    use super::super::subject::{selected_labels, subjects};
    use super::*;
    use crate::scenario::Catalogue;

    fn documents(path: &str) -> Vec<Document> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        load(&root.join(path)).unwrap().documents
    }

    /// What becomes of a mutant is the same whether its world is made from the one before or built anew, and whether the
    /// part of the matrix that it can touch is tried or all of it.
    #[test]
    fn a_shorter_way_leads_to_the_same_fate() {
        let manifests = documents("examples/cilium-istio/manifests");
        let scenarios = documents("examples/cilium-istio/scenarios.yaml");
        let stack = Stack::read(&documents("kind/stacks/reference.yaml")[0]).unwrap();
        let (kept, environment) = split(manifests);
        let world = build(&kept, &environment, stack.clone()).unwrap().world;
        let catalogue = Catalogue::embedded().unwrap();
        let plan = crate::scenario::load(&scenarios, &world, &catalogue, crate::run::today()).unwrap();
        let engine = Engine::compile(&world);
        let cases = judge_all(&plan, &mut Model::terse(&engine));
        let input = Input { documents: &kept, environment: &environment, stack: &stack, plan: &plan };
        let trial = Trial {
            input,
            base: &engine,
            touching: Touching::of(&plan, &cases, &engine),
            passing: cases.iter().map(|case| case.case.id.clone()).collect(),
            errors: engine.findings().iter().map(|finding| finding.message.clone()).collect(),
            ports: world.ports_of_pods(),
            census: Census::of(&engine, &kept),
        };
        let selected = selected_labels(&kept);
        let mut tried = 0;
        for subject in subjects(&kept) {
            for mutant in mutants(&subject, &selected) {
                let Some(edit) = &mutant.edit else { continue };
                let Some(root) = edit.apply(&subject.document.root, &mutant.path) else { continue };
                if root == *subject.document.root {
                    continue;
                }
                let mut all = kept.clone();
                all[mutant.document] = Document { file: Arc::clone(&subject.document.file), root: Arc::new(root) };
                let (short, long) = (trial.fate(&subject, &mutant), trial.rebuilt(&subject, &mutant, &all));
                assert_eq!(kind(&short), kind(&long), "{}", mutant.id());
                tried += 1;
            }
        }
        assert!(tried > 50, "{tried} mutants");
    }

    fn split(all: Vec<Document>) -> (Vec<Document>, Environment) {
        let is_environment = |document: &Document| {
            document.root.get("kind").and_then(airtight_manifest::Node::as_str) == Some("Environment")
        };
        let (own, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(is_environment);
        if let Some(own) = own.first() {
            return (kept, Environment::read(own).unwrap());
        }
        let reference = Environment::read(&documents("manifests/environment.yaml")[0]).unwrap();
        let mut environment = Environment { hosts: Vec::new(), ..reference };
        environment.assume_hosts(&kept);
        (kept, environment)
    }

    /// The kind of a fate, and the cases that notice.
    fn kind(fate: &Fate) -> (u8, Vec<CaseId>) {
        match fate {
            Fate::Killed { by } => (0, by.clone()),
            Fate::Named { .. } => (1, Vec::new()),
            Fate::Survived { .. } => (2, Vec::new()),
            Fate::Equivalent => (3, Vec::new()),
            Fate::Stillborn { .. } => (4, Vec::new()),
        }
    }
}

//! Which absolute names a name may mean (`resolv.conf(5)`: `search`, `ndots`).

use super::Settings;

/// An absolute name that is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// With its final dot.
    pub(super) name: String,
    /// Whether nothing was appended.
    pub(super) as_it_stands: bool,
}

/// The names to ask for, in order. A name with a final dot stands for itself; one with at least `ndots` dots is asked
/// for as it stands first, any other last.
pub(super) fn candidates(name: &str, settings: &Settings) -> Vec<Candidate> {
    if name.ends_with('.') {
        return vec![Candidate { name: name.to_owned(), as_it_stands: true }];
    }
    let itself = Candidate { name: format!("{name}."), as_it_stands: true };
    let searched = settings.search.iter().map(|suffix| suffix.trim_matches('.')).map(|suffix| Candidate {
        name: if suffix.is_empty() { format!("{name}.") } else { format!("{name}.{suffix}.") },
        as_it_stands: suffix.is_empty(),
    });
    let dots = u32::try_from(name.matches('.').count()).unwrap_or(u32::MAX);
    if dots >= settings.ndots {
        std::iter::once(itself).chain(searched).collect()
    } else {
        searched.chain(std::iter::once(itself)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str, ndots: u32) -> Vec<String> {
        let search = vec!["shop.svc.cluster.local".to_owned(), "svc.cluster.local".to_owned()];
        let settings = Settings { search, ndots, ..Settings::default() };
        candidates(name, &settings).into_iter().map(|candidate| candidate.name).collect()
    }

    #[test]
    fn few_dots_search_first() {
        assert_eq!(names("db.data", 5), ["db.data.shop.svc.cluster.local.", "db.data.svc.cluster.local.", "db.data."]);
    }

    #[test]
    fn many_dots_stand_first() {
        assert_eq!(names("a.b", 1), ["a.b.", "a.b.shop.svc.cluster.local.", "a.b.svc.cluster.local."]);
    }

    #[test]
    fn a_final_dot_searches_nothing() {
        assert_eq!(names("db.", 5), ["db."]);
    }
}

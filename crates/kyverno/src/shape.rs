//! How deep an expression nests and how often it loops, told from its text: what would exhaust the stack or never end
//! is not computed.

/// The deepest chain of members, operators and brackets that is computed.
const DEEPEST: usize = 400;

/// The deepest brackets: parsers pass a dozen functions for each.
const MOST_BRACKETS: usize = 100;

/// The most steps that loops may take; beyond this the API server's own budget ends an expression as well (Kubernetes
/// `staging/src/k8s.io/apiserver/pkg/apis/cel/config.go`, `PerCallLimit`).
const MOST_STEPS: usize = 1_000_000;

/// Macros that go through a list, each of them with another expression.
const LOOPS: &[&str] = &["all", "exists", "exists_one", "existsOne", "map", "filter", "transformList", "transformMap"];

/// Functions that make lists of texts.
const SPLITTERS: &[&str] = &["split", "findAll"];

/// What the text of an expression tells of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shape {
    deepest: usize,
    brackets: usize,
    loops: usize,
    longest: usize,
    sums: usize,
    splits: bool,
}

/// An open bracket.
#[derive(Debug, Default)]
struct Bracket {
    links: usize,
    commas: usize,
    is_loop: bool,
}

impl Shape {
    /// The shape of an expression whose strings are in any of `quotes`.
    pub(super) fn of(text: &str, quotes: &[char]) -> Self {
        let mut shape = Self::default();
        let mut open = vec![Bracket::default()];
        let mut word = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if quotes.contains(&letter) {
                skip_string(&mut letters, letter);
            } else if letter.is_alphanumeric() || letter == '_' {
                word.push(letter);
                continue;
            } else {
                shape.sign(letter, &word, &mut open);
                if shape.is_too_deep() {
                    return shape;
                }
            }
            if !letter.is_whitespace() {
                word.clear();
            }
        }
        shape
    }

    fn sign(&mut self, sign: char, word: &str, open: &mut Vec<Bracket>) {
        match sign {
            '(' | '[' | '{' => {
                self.splits |= SPLITTERS.contains(&word);
                open.push(Bracket { is_loop: sign == '(' && LOOPS.contains(&word), ..Bracket::default() });
            }
            ')' | ']' | '}' if open.len() > 1 => {
                self.longest = self.longest.max(open.pop().map_or(0, |bracket| bracket.commas + 1));
                link(open);
            }
            ',' => {
                if let Some(top) = open.last_mut() {
                    *top = Bracket { links: 0, commas: top.commas + 1, is_loop: top.is_loop };
                }
            }
            '+' => {
                self.sums += 1;
                link(open);
            }
            other if !other.is_whitespace() => link(open),
            _ => {}
        }
        self.brackets = self.brackets.max(open.len());
        self.deepest = self.deepest.max(open.iter().map(|bracket| bracket.links + 1).sum());
        self.loops = self.loops.max(open.iter().filter(|bracket| bracket.is_loop).count());
    }

    /// Whether computing it could exhaust the stack.
    pub(super) fn is_too_deep(self) -> bool {
        self.deepest > DEEPEST || self.brackets > MOST_BRACKETS
    }

    /// Whether its loops could take more steps than anybody waits for, over data whose longest list and text are so long.
    pub(super) fn is_too_costly(self, longest_list: usize, longest_text: usize) -> bool {
        let texts = if self.splits { longest_text } else { 0 };
        let list = self.longest.max(longest_list).max(texts).saturating_mul(self.sums + 1);
        let steps = (0..self.loops).fold(1_usize, |steps, _| steps.saturating_mul(list));
        self.loops > 0 && steps > MOST_STEPS
    }
}

fn link(open: &mut [Bracket]) {
    if let Some(top) = open.last_mut() {
        top.links += 1;
    }
}

fn skip_string(letters: &mut std::str::Chars<'_>, quote: char) {
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                letters.next();
            }
            letter if letter == quote => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cel(text: &str) -> Shape {
        Shape::of(text, &['"', '\''])
    }

    #[test]
    fn depth_is_that_of_chains_and_brackets() {
        for deep in
            ["a".to_owned() + &".a".repeat(500), "(".repeat(200) + "1" + &")".repeat(200), "!".repeat(500) + "a"]
        {
            assert!(cel(&deep).is_too_deep());
        }
        let long = vec!["has(object.spec.a)"; 40].join(" && ");
        for fine in [long.as_str(), "'((((((((((((((((((((((((((' == a", "[1, 2, 3].all(x, x.y.z > 0)"] {
            assert!(!cel(fine).is_too_deep(), "{fine}: {:?}", cel(fine));
        }
        let listed = format!("[{}]", vec!["a.b.c"; 1000].join(", "));
        assert!(!cel(&listed).is_too_deep());
    }

    #[test]
    fn loops_within_loops_cost_the_product_of_their_lists() {
        let list = format!("[{}]", vec!["1"; 60].join(","));
        let nested = format!("{list}.all(a, {list}.all(b, {list}.all(c, {list}.all(d, true))))");
        assert!(cel(&nested).is_too_costly(0, 0));
        let apart = format!("{list}.all(a, true) && {list}.all(b, true) && {list}.map(c, c).filter(d, true) == []");
        assert!(!cel(&apart).is_too_costly(0, 0));
        let usual = "object.spec.containers.all(c, c.ports.all(p, p.containerPort > 1024))";
        assert!(!cel(usual).is_too_costly(50, 0));
        assert!(cel(usual).is_too_costly(5_000, 0));
        let texts = "object.a.split('').all(c, object.a.split('').all(d, c != d))";
        assert!(cel(texts).is_too_costly(3, 5_000) && !cel(texts).is_too_costly(3, 20));
    }
}

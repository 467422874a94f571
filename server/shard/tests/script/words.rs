//! A command's words.

pub(crate) struct Words<'a>(pub(crate) Vec<&'a str>);

impl<'a> Words<'a> {
    pub(crate) fn at(&self, index: usize) -> &'a str {
        self.0
            .get(index)
            .unwrap_or_else(|| panic!("a word is missing in {:?}", self.0))
    }

    pub(crate) fn number(&self, index: usize) -> u64 {
        self.at(index).parse().expect("a number")
    }

    pub(crate) fn text(&self, key: &str) -> Option<&'a str> {
        let mut pairs = self.0.iter().filter_map(|word| word.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    pub(crate) fn value(&self, key: &str) -> Option<u64> {
        self.text(key).map(|value| value.parse().expect("a number"))
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }

    pub(crate) fn says_any(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.text(key).is_some())
    }

    /// The words that begin with `sign`, without it.
    pub(crate) fn signed(&self, sign: char) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter_map(move |word| word.strip_prefix(sign))
    }
}

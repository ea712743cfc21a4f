//! What a client can be asked.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// One thing that a client can do for a tool, and declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    /// Show a form.
    Form,
    /// Lead the person to a page.
    Url,
    /// Ask its model.
    Sampling,
    /// Ask its model and hand it tools.
    SamplingTools,
    /// Name its roots.
    Roots,
}

impl Ability {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Form, Self::Url, Self::Sampling, Self::SamplingTools, Self::Roots];

    /// Where MCP's `ClientCapabilities` declare it, as texts name it.
    #[must_use]
    pub const fn capability(self) -> &'static str {
        match self {
            Self::Form => "elicitation.form",
            Self::Url => "elicitation.url",
            Self::Sampling => "sampling",
            Self::SamplingTools => "sampling.tools",
            Self::Roots => "roots",
        }
    }

    /// What a tool is told whose client has not declared it, and what its caller gets if it does not go on without.
    #[must_use]
    pub fn lack(self) -> String {
        format!("the client cannot be asked this: it has not declared the capability `{}`", self.capability())
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Form => 1,
            Self::Url => 2,
            Self::Sampling => 4,
            Self::SamplingTools => 8,
            Self::Roots => 16,
        }
    }
}

/// A set of [`Ability`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Abilities(u8);

impl Abilities {
    /// What MCP's `ClientCapabilities` declare. An empty `elicitation` declares forms, as before there were others.
    #[must_use]
    pub fn of_capabilities(capabilities: &Value) -> Self {
        let declared = |name: &str| capabilities.get(name).and_then(Value::as_object);
        let has = |map: &Map<String, Value>, name: &str| map.get(name).is_some_and(Value::is_object);
        let mut abilities = Self::default();
        if let Some(elicitation) = declared("elicitation") {
            let has_url = has(elicitation, "url");
            abilities = if has(elicitation, "form") || !has_url { abilities.with(Ability::Form) } else { abilities };
            abilities = if has_url { abilities.with(Ability::Url) } else { abilities };
        }
        if let Some(sampling) = declared("sampling") {
            abilities = abilities.with(Ability::Sampling);
            abilities = if has(sampling, "tools") { abilities.with(Ability::SamplingTools) } else { abilities };
        }
        if declared("roots").is_some() { abilities.with(Ability::Roots) } else { abilities }
    }

    /// These, as MCP's `ClientCapabilities` declare them.
    #[must_use]
    pub fn to_capabilities(self) -> Value {
        let mut capabilities = Map::new();
        for ability in self.iter() {
            let (name, part) = ability.capability().split_once('.').unwrap_or((ability.capability(), ""));
            let declared = capabilities.entry(name).or_insert_with(|| json!({}));
            if let (Value::Object(declared), false) = (declared, part.is_empty()) {
                declared.insert(part.to_owned(), json!({}));
            }
        }
        capabilities.into()
    }

    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Ability::ALL.into_iter().fold(Self::default(), Self::with)
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, ability: Ability) -> Self {
        Self(self.0 | ability.bit())
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those that are needed and not among these.
    #[must_use]
    pub const fn lack_of(self, needed: Self) -> Self {
        Self(needed.0 & !self.0)
    }

    /// Whether it is among them.
    #[must_use]
    pub const fn has(self, ability: Ability) -> bool {
        self.0 & ability.bit() != 0
    }

    /// The set as a number, to be kept where room is short.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self.0
    }

    /// The set that [`Abilities::to_bits`] gave; bits that mean nothing are left out.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & Self::all().0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each, in the order of their declaration.
    pub fn iter(self) -> impl Iterator<Item = Ability> {
        Ability::ALL.into_iter().filter(move |ability| self.has(*ability))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abilities_are_read_from_what_clients_declare() {
        let of =
            |capabilities: Value| Abilities::of_capabilities(&capabilities).iter().map(Ability::capability).collect::<Vec<_>>();

        assert_eq!(of(json!({"elicitation": {}})), ["elicitation.form"]);
        assert_eq!(of(json!({"elicitation": {"url": {}}})), ["elicitation.url"]);
        assert_eq!(
            of(json!({"elicitation": {"url": {}, "form": {}}, "sampling": {"tools": {}}})),
            ["elicitation.form", "elicitation.url", "sampling", "sampling.tools"]
        );
        assert_eq!(of(json!({"sampling": {"context": {}}, "roots": {"listChanged": true}})), ["sampling", "roots"]);
        assert_eq!(of(json!({"elicitation": true, "sampling": null})), [""; 0]);
        assert_eq!(of(json!([])), [""; 0]);
    }

    #[test]
    fn what_is_missing_is_told_as_capabilities() {
        let can = Abilities::default().with(Ability::Form).with(Ability::Sampling);

        let missing = can.lack_of(Abilities::all());

        assert_eq!(missing.to_capabilities(), json!({"elicitation": {"url": {}}, "sampling": {"tools": {}}, "roots": {}}));
        assert_eq!(Abilities::of_capabilities(&Abilities::all().to_capabilities()), Abilities::all());
        assert!(can.lack_of(can).is_empty());
        assert_eq!((Abilities::from_bits(can.to_bits()), Abilities::from_bits(0xff)), (can, Abilities::all()));
    }
}

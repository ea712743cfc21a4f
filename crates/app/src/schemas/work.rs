//! How long it may take to check one value against a schema. A list of a thousand values that may be, a pattern with a thousand states, a subschema that
//! leads back to itself: each is small, and each is multiplied by what it is held against. So the steps are counted before they are taken.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::{
    cost::{Cost, CostError, times_in_place},
    patterns::Patterns,
};

/// What each subschema of a schema takes of a value.
#[derive(Debug)]
pub(super) struct Work(Vec<Node>);

/// One subschema, as often as it is referred to.
#[derive(Debug, Default)]
struct Node {
    /// Itself, and what applies to the same place of the value because of it, each once.
    here: Vec<usize>,
    /// What all of those take at one place, as often as they apply to it.
    steps: Steps,
    /// What is applied to a member, by its name.
    members: HashMap<String, usize>,
    /// What may be applied to any member.
    any_member: Vec<usize>,
    /// What may be applied to any item.
    items: Vec<usize>,
}

/// What a subschema takes.
#[derive(Debug, Clone, Copy, Default)]
struct Steps {
    /// Of any value.
    value: u64,
    /// Of a text, for each byte.
    byte: u64,
    /// Of an object, for each member.
    name: u64,
    /// Of an object, for each byte of its members' names.
    name_byte: u64,
}

/// A subschema that was read, before it is known what applies to the same place because of it.
#[derive(Debug)]
struct Draft {
    in_place: Vec<usize>,
    /// What is applied to the names of members.
    names: Option<usize>,
    own: Steps,
    /// How often what is in place is gone through.
    times: u64,
}

impl Work {
    /// Subschemas of one schema: compiled, each has about a kilobyte.
    pub(super) const SUBSCHEMAS_MAX: usize = 4_000;
    /// Subschemas that apply to the places of all others, together.
    const BESIDE_MAX: usize = 100_000;

    /// Of a document whose cost was checked: what applies to one place does not lead back to itself there.
    pub(super) fn of(document: &Value, cost: &Cost<'_>, patterns: &Patterns) -> Result<Self, CostError> {
        let mut reading = Reading { cost, patterns, known: HashMap::new(), waiting: Vec::new(), nodes: Vec::new() };
        reading.place(document);
        let mut drafts = BTreeMap::new();
        // Not by recursion: references lead through the document as far as they like.
        while let Some((index, node)) = reading.waiting.pop() {
            drafts.insert(index, reading.read(index, node)?);
            if reading.nodes.len() > Self::SUBSCHEMAS_MAX {
                return Err(CostError::Subschemas);
            }
        }
        let mut drafts: Vec<Draft> = drafts.into_values().collect();
        let mut nodes = reading.nodes;
        // A name is checked as any text, which has no names itself.
        let of_texts = sums(&drafts);
        for draft in &mut drafts {
            let of_name = draft.names.and_then(|names| of_texts.get(names)).copied().unwrap_or_default();
            draft.own.name = draft.own.name.saturating_add(of_name.value);
            draft.own.name_byte = draft.own.name_byte.saturating_add(of_name.byte);
        }
        let mut beside_left = Self::BESIDE_MAX;
        for ((index, node), steps) in nodes.iter_mut().enumerate().zip(sums(&drafts)) {
            node.here = here(&drafts, index);
            node.steps = steps;
            beside_left = beside_left.checked_sub(node.here.len()).ok_or(CostError::Subschemas)?;
        }
        Ok(Self(nodes))
    }

    /// How many subschemas there are.
    pub(super) const fn subschemas(&self) -> u64 {
        self.0.len() as u64
    }

    /// Whether checking `value` takes so many steps at most.
    pub(super) fn takes_at_most(&self, value: &Value, steps: u64) -> bool {
        let mut left = steps;
        self.go(&[0], value, &mut left).is_some()
    }

    /// Goes through what `applied` may look at; `None` when there are no steps left. The depth is bounded by that of the value.
    fn go(&self, applied: &[usize], value: &Value, left: &mut u64) -> Option<()> {
        let of = |of: fn(&Steps) -> u64| {
            applied.iter().filter_map(|index| self.0.get(*index)).map(|node| of(&node.steps)).fold(0, u64::saturating_add)
        };
        take(left, of(|steps| steps.value))?;
        match value {
            Value::String(text) => take(left, of(|steps| steps.byte).saturating_mul(text.len() as u64)),
            Value::Array(items) if !items.is_empty() => {
                take(left, items.len() as u64)?;
                let next = self.next(applied, |node| &node.items, left)?;
                if next.is_empty() { Some(()) } else { items.iter().try_for_each(|item| self.go(&next, item, left)) }
            }
            Value::Object(members) if !members.is_empty() => {
                let bytes: usize = members.keys().map(String::len).sum();
                take(left, of(|steps| steps.name).saturating_mul(members.len() as u64))?;
                take(left, of(|steps| steps.name_byte).saturating_mul(bytes as u64))?;
                self.go_into(applied, members, left)
            }
            _ => Some(()),
        }
    }

    fn go_into(&self, applied: &[usize], members: &Map<String, Value>, left: &mut u64) -> Option<()> {
        let any = self.next(applied, |node| &node.any_member, left)?;
        let here = self.next(applied, |node| &node.here, left)?;
        let named: Vec<&Node> =
            here.iter().filter_map(|index| self.0.get(*index)).filter(|node| !node.members.is_empty()).collect();
        for (name, inner) in members {
            take(left, (named.len() + any.len()) as u64)?;
            let mut next = any.clone();
            next.extend(named.iter().filter_map(|node| node.members.get(name)));
            next.sort_unstable();
            next.dedup();
            if !next.is_empty() {
                self.go(&next, inner, left)?;
            }
        }
        Some(())
    }

    /// What `part` gives of all that stands at the place of `applied`, each once.
    fn next(&self, applied: &[usize], part: impl Fn(&Node) -> &Vec<usize>, left: &mut u64) -> Option<Vec<usize>> {
        let mut found = Vec::new();
        for node in applied.iter().filter_map(|index| self.0.get(*index)) {
            take(left, node.here.len() as u64)?;
            for beside in node.here.iter().filter_map(|index| self.0.get(*index)) {
                let part = part(beside);
                take(left, part.len() as u64)?;
                found.extend_from_slice(part);
            }
        }
        found.sort_unstable();
        found.dedup();
        Some(found)
    }
}

fn take(left: &mut u64, steps: u64) -> Option<()> {
    *left = left.checked_sub(steps)?;
    Some(())
}

/// The subschemas of a document, by the place where they stand: it does not move meanwhile.
struct Reading<'a, 'c> {
    cost: &'c Cost<'a>,
    patterns: &'c Patterns,
    known: HashMap<*const Value, usize>,
    waiting: Vec<(usize, &'a Value)>,
    nodes: Vec<Node>,
}

impl<'a> Reading<'a, '_> {
    /// The number of a subschema.
    fn place(&mut self, node: &'a Value) -> usize {
        let Self { known, waiting, nodes, .. } = self;
        *known.entry(std::ptr::from_ref(node)).or_insert_with(|| {
            let index = nodes.len();
            nodes.push(Node::default());
            waiting.push((index, node));
            index
        })
    }

    fn read(&mut self, index: usize, node: &'a Value) -> Result<Draft, CostError> {
        let (mut read, mut names, mut own) = (Node::default(), None, Steps { value: 1, ..Steps::default() });
        let Value::Object(members) = node else { return Ok(Draft { in_place: Vec::new(), names, own, times: 1 }) };
        let in_place = self.cost.in_place(members)?.into_iter().map(|inner| self.place(inner)).collect();
        let times = times_in_place(members);
        for (keyword, inner) in members {
            match (keyword.as_str(), inner) {
                ("properties", Value::Object(schemas)) => {
                    read.members = schemas.iter().map(|(name, schema)| (name.clone(), self.place(schema))).collect();
                }
                ("patternProperties", Value::Object(schemas)) => {
                    for (pattern, schema) in schemas {
                        own.name_byte = own.name_byte.saturating_add(self.patterns.steps_a_byte(pattern));
                        own.name = own.name.saturating_add(1);
                        read.any_member.push(self.place(schema));
                    }
                }
                ("additionalProperties" | "unevaluatedProperties", schema) => read.any_member.push(self.place(schema)),
                ("prefixItems", Value::Array(schemas)) => {
                    for schema in schemas {
                        read.items.push(self.place(schema));
                    }
                }
                ("items" | "additionalItems" | "contains" | "unevaluatedItems", schema) => read.items.push(self.place(schema)),
                ("propertyNames", schema) => names = Some(self.place(schema)),
                ("enum" | "const", values) => own.value = own.value.saturating_add(parts(values)),
                ("pattern", Value::String(pattern)) => own.byte = self.patterns.steps_a_byte(pattern),
                ("required" | "dependentRequired", names) => own.value = own.value.saturating_add(parts(names)),
                _ => {}
            }
        }
        if let Some(place) = self.nodes.get_mut(index) {
            *place = read;
        }
        Ok(Draft { in_place, names, own, times })
    }
}

/// What each subschema takes with all that applies to the same place, as often as it does.
fn sums(drafts: &[Draft]) -> Vec<Steps> {
    let mut known = vec![None; drafts.len()];
    (0..drafts.len()).map(|index| sum(drafts, index, &mut known)).collect()
}

/// It does not lead back to itself, and is not deep: that was checked.
fn sum(drafts: &[Draft], index: usize, known: &mut [Option<Steps>]) -> Steps {
    if let Some(Some(steps)) = known.get(index) {
        return *steps;
    }
    let Some(draft) = drafts.get(index) else { return Steps::default() };
    let mut steps = draft.own;
    for inner in &draft.in_place {
        steps = steps.and(sum(drafts, *inner, known), draft.times);
    }
    if let Some(place) = known.get_mut(index) {
        *place = Some(steps);
    }
    steps
}

fn here(drafts: &[Draft], index: usize) -> Vec<usize> {
    let (mut found, mut waiting) = (BTreeSet::from([index]), vec![index]);
    while let Some(draft) = waiting.pop().and_then(|index| drafts.get(index)) {
        waiting.extend(draft.in_place.iter().filter(|inner| found.insert(**inner)));
    }
    found.into_iter().collect()
}

impl Steps {
    fn and(self, other: Self, times: u64) -> Self {
        let sum = |one: u64, more: u64| one.saturating_add(more.saturating_mul(times));
        Self {
            value: sum(self.value, other.value),
            byte: sum(self.byte, other.byte),
            name: sum(self.name, other.name),
            name_byte: sum(self.name_byte, other.name_byte),
        }
    }
}

/// Values in a value, itself included. The depth is bounded by the JSON parser's own limit (128).
pub(super) fn parts(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.iter().map(parts).fold(1, u64::saturating_add),
        Value::Object(members) => members.values().map(parts).fold(1, u64::saturating_add),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn steps(schema: &Value, value: &Value) -> u64 {
        let work = Work::of(schema, &Cost::of(schema), &Patterns::of(schema).unwrap()).unwrap();
        let mut most = u64::MAX;
        work.go(&[0], value, &mut most).unwrap();
        u64::MAX - most
    }

    #[test]
    fn what_people_write_takes_some_steps_for_each_part_of_a_value() {
        let schema = json!({
            "type": "object",
            "properties": {"list": {"type": "array", "items": {"$ref": "#/$defs/one"}}},
            "$defs": {"one": {"type": "object", "properties": {"name": {"type": "string", "pattern": "^[a-z]+$"}}, "required": ["name"]}},
        });
        let value = |items: usize| json!({"list": (0..items).map(|_| json!({"name": "ada", "age": 7})).collect::<Vec<_>>()});

        let (hundred, thousand) = (steps(&schema, &value(100)), steps(&schema, &value(1_000)));

        assert!((1_000..100_000).contains(&hundred), "{hundred}");
        assert!((hundred * 9..hundred * 11).contains(&thousand), "{thousand}");
    }

    #[test]
    fn each_value_that_may_be_counts_for_each_that_is() {
        let schema = json!({"type": "object", "properties": {"a": {"items": {"enum": (0..5_000).collect::<Vec<_>>()}}}});

        assert!(steps(&schema, &json!({"a": vec![4_999; 1_000]})) >= 5_000 * 1_000);
        assert!(steps(&schema, &json!({"b": vec![4_999; 1_000]})) < 5_000);
    }

    #[test]
    fn a_pattern_counts_for_each_byte_of_what_it_is_held_against() {
        let large = json!({"type": "object", "properties": {"a": {"pattern": "[01]*1[01]{600}$"}}});
        let names = json!({"type": "object", "patternProperties": {"^x-": true}, "propertyNames": {"pattern": "^[a-z-]+$"}});
        let text = "0".repeat(10_000);

        assert!(steps(&large, &json!({"a": text})) > 1_000_000);
        assert!(steps(&large, &json!({"b": text})) < 1_000);
        assert!(steps(&names, &json!({text: 1})) > 500_000);
    }

    #[test]
    fn names_that_are_checked_by_the_schema_itself_end() {
        let own = json!({"type": "object", "propertyNames": {"anyOf": [{"$ref": "#"}, {"type": "string"}]}});

        assert!(steps(&own, &json!({"a": 1, "b": 2})) < 100);
    }

    #[test]
    fn a_subschema_counts_once_for_each_part_however_it_is_led_to() {
        let branch = json!({"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}});
        let node = json!({"anyOf": [{"const": 0}, branch, branch]});
        let schema = json!({"type": "object", "$defs": {"node": node}, "properties": {"a": {"$ref": "#/$defs/node"}}});
        let deep = (0..60).fold(json!(1), |inner, _| json!({"next": inner}));

        assert!(steps(&schema, &json!({"a": deep})) < 10_000);
    }

    #[test]
    fn a_schema_has_so_many_subschemas_and_no_more() {
        let of = |count: usize| {
            let properties = (0..count).map(|index| (index.to_string(), json!({})));
            let schema = json!({"type": "object", "properties": properties.collect::<Map<_, _>>()});
            Work::of(&schema, &Cost::of(&schema), &Patterns::default()).map(|_| ())
        };

        assert_eq!((of(Work::SUBSCHEMAS_MAX - 1), of(Work::SUBSCHEMAS_MAX)), (Ok(()), Err(CostError::Subschemas)));
    }
}

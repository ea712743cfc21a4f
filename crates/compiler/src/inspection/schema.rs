//! JSON Schema (2020-12) of WIT types. `sandbox::component` turns the values: what one writes here, the other must take and give.
//!
//! | WIT | JSON |
//! |---|---|
//! | `bool`, `string`, `char` | boolean, string, string of one character |
//! | `u8`..`u32`, `s8`..`s32` | integer |
//! | `u64`, `s64` | integer, or decimal digits as a string: numbers beyond 2^53 are not safe in JavaScript |
//! | `f32`, `f64` | number; a result can also be `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | `list<u8>` | string in base64 |
//! | `list<T>`, `tuple<..>` | array |
//! | `option<T>` | `T` or null, and need not be given; an option of an option is null or `{"some": ...}` |
//! | `result<T, E>` | `{"ok": ...}` or `{"err": ...}` |
//! | `record` | object, members by their names in WIT |
//! | `variant` | the case's name where it has no value, else an object of one member, the case |
//! | `enum` | the case's name |
//! | `flags` | array of the names that are set |

use serde_json::{Map, Value, json};
use wit_parser::{Docs, Flags, Handle, Record, Resolve, Result_, Type, TypeDef, TypeDefKind, TypeId, Variant};

/// Types within types; JSON itself is read to a depth of 128, and an option or variant takes two levels of it.
const DEPTH_MAX: usize = 24;
/// Places in one schema. Types can be shared in WIT, so that a short text can stand for a schema of any size.
const TYPES_MAX: usize = 2_000;
/// Cases of enums and variants, and names of flags, in one schema: each place at which a type stands counts them again.
const CASES_MAX: usize = 1_000;
/// Characters of a description within a schema.
const DESCRIPTION_CHARS_MAX: usize = 1_000;

/// Where a value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the client to the tool.
    Argument,
    /// From the tool to the client.
    Result,
}

/// Writes the schemas of one function.
pub(super) struct Schemas<'a> {
    resolve: &'a Resolve,
    direction: Direction,
    types: usize,
    cases: usize,
}

impl<'a> Schemas<'a> {
    pub(super) const fn new(resolve: &'a Resolve, direction: Direction) -> Self {
        Self { resolve, direction, types: 0, cases: 0 }
    }

    /// The schema of a type, or why a client could not write or read a value of it.
    pub(super) fn of(&mut self, kind: &Type) -> Result<Map<String, Value>, String> {
        self.write(kind, 0)
    }

    /// Whether the type is an option, which need not be given.
    pub(super) fn is_option(&self, kind: &Type) -> bool {
        self.option(kind).is_some()
    }

    /// Whether the JSON of the type is an object with members of its own.
    pub(super) fn is_record(&self, kind: &Type) -> bool {
        self.find(kind).is_some_and(|definition| matches!(definition.kind, TypeDefKind::Record(_)))
    }

    /// The two sides of a result.
    pub(super) fn result(&self, kind: &Type) -> Option<&'a Result_> {
        match &self.find(kind)?.kind {
            TypeDefKind::Result(result) => Some(result),
            _ => None,
        }
    }

    fn write(&mut self, kind: &Type, depth: usize) -> Result<Map<String, Value>, String> {
        self.types += 1;
        if self.types > TYPES_MAX {
            return Err(format!("its types, written out, have more than {TYPES_MAX} parts"));
        }
        if depth > DEPTH_MAX {
            return Err(format!("its types are nested more than {DEPTH_MAX} deep"));
        }
        let plain = match kind {
            Type::Bool => json!({"type": "boolean"}),
            Type::U8 => json!({"type": "integer", "minimum": 0, "maximum": u8::MAX}),
            Type::U16 => json!({"type": "integer", "minimum": 0, "maximum": u16::MAX}),
            Type::U32 => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
            Type::S8 => json!({"type": "integer", "minimum": i8::MIN, "maximum": i8::MAX}),
            Type::S16 => json!({"type": "integer", "minimum": i16::MIN, "maximum": i16::MAX}),
            Type::S32 => json!({"type": "integer", "minimum": i32::MIN, "maximum": i32::MAX}),
            // A bound on numbers does not touch strings, and a pattern does not touch numbers.
            Type::U64 => {
                json!({"type": ["integer", "string"], "minimum": 0, "maximum": u64::MAX, "pattern": "^[0-9]{1,20}$"})
            }
            Type::S64 => {
                json!({"type": ["integer", "string"], "minimum": i64::MIN, "maximum": i64::MAX, "pattern": "^-?[0-9]{1,19}$"})
            }
            Type::F32 | Type::F64 if self.direction == Direction::Result => {
                json!({"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]})
            }
            Type::F32 | Type::F64 => json!({"type": "number"}),
            Type::Char => json!({"type": "string", "minLength": 1, "maxLength": 1}),
            Type::String => json!({"type": "string"}),
            Type::ErrorContext => return Err("it has an error-context, which means nothing outside of the component".to_owned()),
            Type::Id(id) => return self.write_definition(*id, depth),
        };
        Ok(members(plain))
    }

    fn write_definition(&mut self, id: TypeId, depth: usize) -> Result<Map<String, Value>, String> {
        let resolve = self.resolve;
        let definition = resolve.types.get(id).ok_or("it has a type that the component does not define")?;
        let mut schema = match &definition.kind {
            TypeDefKind::Type(inner) => self.write(inner, depth)?,
            TypeDefKind::List(Type::U8) => members(json!({"type": "string", "contentEncoding": "base64"})),
            TypeDefKind::List(inner) => members(json!({"type": "array", "items": self.write(inner, depth + 1)?})),
            TypeDefKind::Record(record) => self.write_record(record, depth)?,
            TypeDefKind::Tuple(tuple) => {
                let items = tuple.types.iter().map(|inner| self.write(inner, depth + 1)).collect::<Result<Vec<_>, _>>()?;
                let count = items.len();
                members(json!({"type": "array", "prefixItems": items, "items": false, "minItems": count, "maxItems": count}))
            }
            TypeDefKind::Option(inner) => {
                let schema = self.write(inner, depth + 1)?;
                let some = if self.is_option(inner) { one_member("some", Some(schema)) } else { schema };
                members(json!({"anyOf": [some, {"type": "null"}]}))
            }
            TypeDefKind::Result(result) => {
                let mut side = |inner: &Option<Type>| inner.as_ref().map(|inner| self.write(inner, depth + 1)).transpose();
                let (ok, err) = (side(&result.ok)?, side(&result.err)?);
                members(json!({"oneOf": [one_member("ok", ok), one_member("err", err)]}))
            }
            TypeDefKind::Variant(variant) => self.write_variant(variant, depth)?,
            TypeDefKind::Enum(cases) => {
                self.count_cases(cases.cases.len())?;
                members(json!({"enum": cases.cases.iter().map(|case| case.name.as_str()).collect::<Vec<_>>()}))
            }
            TypeDefKind::Flags(flags) => {
                self.count_cases(flags.flags.len())?;
                write_flags(flags)
            }
            TypeDefKind::Handle(Handle::Own(id) | Handle::Borrow(id)) => {
                return Err(refuse("resource", resolve.types.get(*id).unwrap_or(definition)));
            }
            refused => return Err(refuse(refused.as_str(), definition)),
        };
        describe(&mut schema, &definition.docs);
        Ok(schema)
    }

    fn write_record(&mut self, record: &Record, depth: usize) -> Result<Map<String, Value>, String> {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in &record.fields {
            let mut schema = self.write(&field.ty, depth + 1)?;
            describe(&mut schema, &field.docs);
            properties.insert(field.name.clone(), schema.into());
            // A result has all its members, so that a client can rely on them.
            if self.direction == Direction::Result || !self.is_option(&field.ty) {
                required.push(field.name.as_str());
            }
        }
        Ok(object(properties, &required))
    }

    fn write_variant(&mut self, variant: &Variant, depth: usize) -> Result<Map<String, Value>, String> {
        self.count_cases(variant.cases.len())?;
        let without: Vec<&str> = variant.cases.iter().filter(|case| case.ty.is_none()).map(|case| case.name.as_str()).collect();
        let mut choices = Vec::new();
        if !without.is_empty() {
            choices.push(members(json!({"enum": without})));
        }
        for case in &variant.cases {
            if let Some(inner) = &case.ty {
                let mut choice = one_member(&case.name, Some(self.write(inner, depth + 1)?));
                describe(&mut choice, &case.docs);
                choices.push(choice);
            }
        }
        Ok(members(json!({"oneOf": choices})))
    }

    fn count_cases(&mut self, more: usize) -> Result<(), String> {
        self.cases += more;
        if self.cases > CASES_MAX {
            return Err(format!("its enums, variants and flags, written out, have more than {CASES_MAX} cases"));
        }
        Ok(())
    }

    fn option(&self, kind: &Type) -> Option<&'a Type> {
        match &self.find(kind)?.kind {
            TypeDefKind::Option(inner) => Some(inner),
            _ => None,
        }
    }

    /// The definition behind all names that a type was given.
    fn find(&self, kind: &Type) -> Option<&'a TypeDef> {
        let mut kind = *kind;
        loop {
            let Type::Id(id) = kind else { return None };
            let definition = self.resolve.types.get(id)?;
            match definition.kind {
                TypeDefKind::Type(inner) => kind = inner,
                _ => return Some(definition),
            }
        }
    }
}

/// The schema of an object that has these members and no others.
pub(super) fn object(properties: Map<String, Value>, required: &[&str]) -> Map<String, Value> {
    let mut schema = members(json!({"type": "object", "additionalProperties": false}));
    schema.insert("properties".to_owned(), properties.into());
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

/// Adds what the author wrote, unless the schema says something already.
pub(super) fn describe(schema: &mut Map<String, Value>, docs: &Docs) {
    if let Some(text) = docs.contents.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        let text: String = text.chars().take(DESCRIPTION_CHARS_MAX).collect();
        schema.insert("description".to_owned(), text.into());
    }
}

fn one_member(name: &str, schema: Option<Map<String, Value>>) -> Map<String, Value> {
    let schema = schema.unwrap_or_else(|| members(json!({"type": "null"})));
    object(Map::from_iter([(name.to_owned(), schema.into())]), &[name])
}

fn write_flags(flags: &Flags) -> Map<String, Value> {
    let names: Vec<&str> = flags.flags.iter().map(|flag| flag.name.as_str()).collect();
    members(json!({"type": "array", "items": {"enum": names}, "uniqueItems": true}))
}

fn refuse(what: &str, definition: &TypeDef) -> String {
    let named = definition.name.as_ref().map_or_else(String::new, |name| format!(" `{name}`"));
    let why = match what {
        "resource" => "it lives in the component's instance, which ends with the call",
        "future" | "stream" => "a call takes and gives whole values",
        _ => "there is no JSON for it",
    };
    format!("it has the {what}{named}: {why}")
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

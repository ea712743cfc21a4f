//! The types of a function, read once when it is found: wasmtime's own would be looked through case by case at every value.

use std::collections::HashMap;

use wasmtime::component::types::Type;

/// A type of values that have a form in JSON.
pub(super) enum Kind {
    Bool,
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    Float32,
    Float64,
    Char,
    String,
    /// `list<u8>`, which is one text in JSON.
    Bytes,
    List(Box<Kind>),
    /// Members in their order.
    Record(Vec<(String, Kind)>),
    Tuple(Vec<Kind>),
    Variant(Cases),
    Enum(Names),
    Option(Box<Kind>),
    Result(Sides),
    Flags(Names),
    /// The inspection takes no function that has it.
    Unknown,
}

/// The two sides of a result; each can be without a value.
pub(super) struct Sides {
    pub(super) ok: Option<Box<Kind>>,
    pub(super) err: Option<Box<Kind>>,
}

/// Cases of a variant.
pub(super) struct Cases {
    pub(super) names: Names,
    list: Vec<Case>,
}

/// A case of a variant.
pub(super) struct Case {
    /// The type of its value, if it has one.
    pub(super) kind: Option<Kind>,
}

/// Names of an enum, of flags or of a variant's cases, each found at once.
pub(super) struct Names {
    list: Vec<String>,
    places: HashMap<String, usize>,
}

impl Kind {
    pub(super) fn of(kind: &Type) -> Self {
        match kind {
            Type::Bool => Self::Bool,
            Type::U8 => Self::U8,
            Type::U16 => Self::U16,
            Type::U32 => Self::U32,
            Type::U64 => Self::U64,
            Type::S8 => Self::S8,
            Type::S16 => Self::S16,
            Type::S32 => Self::S32,
            Type::S64 => Self::S64,
            Type::Float32 => Self::Float32,
            Type::Float64 => Self::Float64,
            Type::Char => Self::Char,
            Type::String => Self::String,
            Type::List(list) => match Self::of(&list.ty()) {
                Self::U8 => Self::Bytes,
                kind => Self::List(Box::new(kind)),
            },
            Type::Record(record) => {
                Self::Record(record.fields().map(|field| (field.name.to_owned(), Self::of(&field.ty))).collect())
            }
            Type::Tuple(tuple) => Self::Tuple(tuple.types().map(|kind| Self::of(&kind)).collect()),
            Type::Variant(variant) => Self::Variant(Cases {
                names: Names::of(variant.cases().map(|case| case.name)),
                list: variant.cases().map(|case| Case { kind: case.ty.map(|kind| Self::of(&kind)) }).collect(),
            }),
            Type::Enum(cases) => Self::Enum(Names::of(cases.names())),
            Type::Option(option) => Self::Option(Box::new(Self::of(&option.ty()))),
            Type::Result(result) => {
                let side = |kind: Option<Type>| kind.map(|kind| Box::new(Self::of(&kind)));
                Self::Result(Sides { ok: side(result.ok()), err: side(result.err()) })
            }
            Type::Flags(flags) => Self::Flags(Names::of(flags.names())),
            _ => Self::Unknown,
        }
    }
}

impl Cases {
    pub(super) fn find(&self, name: &str) -> Option<&Case> {
        self.list.get(self.names.find(name)?)
    }
}

impl Names {
    fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let list: Vec<_> = names.map(str::to_owned).collect();
        let places = list.iter().enumerate().map(|(place, name)| (name.clone(), place)).collect();
        Self { list, places }
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    pub(super) fn all(&self) -> &[String] {
        &self.list
    }
}

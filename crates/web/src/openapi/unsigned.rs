//! Numbers of 32 bits that are never below nought, which the document would otherwise call signed and bound by half of what they may be.

use utoipa::{
    Number,
    openapi::{
        KnownFormat, RefOr, SchemaFormat,
        schema::{AdditionalProperties, ArrayItems, Object, Schema},
    },
};

/// Says of each such number in `schema` how large it may be.
pub(super) fn say_so(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => say_so_of(object),
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                say_so(items);
            }
        }
        Schema::OneOf(one_of) => one_of.items.iter_mut().for_each(say_so),
        Schema::AllOf(all_of) => all_of.items.iter_mut().for_each(say_so),
        Schema::AnyOf(any_of) => any_of.items.iter_mut().for_each(say_so),
        _ => {}
    }
}

fn say_so_of(object: &mut Object) {
    let is_short = object.format == Some(SchemaFormat::KnownFormat(KnownFormat::Int32));
    if is_short && object.minimum.is_some() && object.maximum.is_none() {
        object.format = Some(SchemaFormat::Custom("uint32".to_owned()));
        object.maximum = Some(Number::UInt(u32::MAX as usize));
    }
    object.properties.values_mut().for_each(say_so);
    if let Some(AdditionalProperties::RefOr(values)) = object.additional_properties.as_deref_mut() {
        say_so(values);
    }
}

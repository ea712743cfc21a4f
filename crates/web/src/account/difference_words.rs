//! What changed of a tool, in words: people read neither JSON pointers nor schemas.

/// The place of a difference (RFC 6901), as people would call it.
pub(super) fn in_words(path: &str) -> String {
    let parts: Vec<String> = path.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let Some((first, rest)) = parts.split_first() else { return "All of it".to_owned() };
    match first.as_str() {
        "description" => "What it says of itself".to_owned(),
        "title" => "Its title".to_owned(),
        "name" => "Its name".to_owned(),
        "input" => of_schema("What it takes", rest),
        "output" => of_schema("What it gives", rest),
        "annotations" => annotation(rest).to_owned(),
        "icons" => "Its icons".to_owned(),
        "offer" => "What it is offered as".to_owned(),
        "completes" => "What it completes while one types".to_owned(),
        other => other.to_owned(),
    }
}

/// What a tool promises of its effects (MCP, `ToolAnnotations`).
fn annotation(rest: &[String]) -> &'static str {
    match rest.first().map(String::as_str) {
        Some("readOnlyHint") => "Whether it says that it changes nothing",
        Some("destructiveHint") => "Whether it says that it may destroy something",
        Some("idempotentHint") => "Whether it says that calling it twice does no more than once",
        Some("openWorldHint") => "Whether it says that it reaches beyond its server",
        Some("title") => "Its title",
        _ => "What it says of its effects",
    }
}

/// A place in a JSON Schema: the values that lead there by their names, and which of its words it is.
fn of_schema(what: &str, rest: &[String]) -> String {
    let mut names = vec![what.to_owned()];
    let mut parts = rest.iter().map(String::as_str);
    let mut word = None;
    while let Some(part) = parts.next() {
        match part {
            "properties" | "patternProperties" | "$defs" | "definitions" => match parts.next() {
                Some(name) => names.push(format!("“{name}”")),
                None => word = Some("the values that there are"),
            },
            "items" | "prefixItems" | "additionalProperties" => names.push("each entry".to_owned()),
            // A choice is numbered.
            "anyOf" | "oneOf" | "allOf" => {
                let number = parts.next().and_then(|number| number.parse::<u32>().ok()).unwrap_or_default();
                names.push(format!("choice {}", number.saturating_add(1)));
            }
            keyword => {
                word = Some(meaning(keyword));
                break;
            }
        }
    }
    let names = names.join(" › ");
    match word {
        Some(word) => format!("{names}: {word}"),
        None => names,
    }
}

fn meaning(keyword: &str) -> &str {
    match keyword {
        "description" => "what is said of it",
        "title" => "its title",
        "type" => "its type",
        "required" => "what must be there",
        "enum" | "const" => "what it may be",
        "default" => "what it is if nothing is said",
        "format" | "pattern" => "the form that it has",
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => "how large it may be",
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => "how long it may be",
        "examples" => "its examples",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn a_place_is_told_in_words() {
        for (path, words) in [
            ("", "All of it"),
            ("/description", "What it says of itself"),
            ("/input/properties/city/description", "What it takes › “city”: what is said of it"),
            ("/input/properties/a~1b/properties/~0c/type", "What it takes › “a/b” › “~c”: its type"),
            ("/input/properties/days/items/maximum", "What it takes › “days” › each entry: how large it may be"),
            ("/input/anyOf/1/properties/x", "What it takes › choice 2 › “x”"),
            ("/output/required/1", "What it gives: what must be there"),
            ("/annotations/destructiveHint", "Whether it says that it may destroy something"),
            ("/of_tomorrow/1", "of_tomorrow"),
        ] {
            assert_eq!(in_words(path), words, "{path}");
        }
    }

    /// Values are named as anybody likes: such a name is no word of ours.
    #[test]
    fn a_value_that_is_named_like_a_word_of_schemas_is_a_value() {
        assert_eq!(in_words("/input/properties/required/type"), "What it takes › “required”: its type");
        assert_eq!(in_words("/input/properties"), "What it takes: the values that there are");
    }
}

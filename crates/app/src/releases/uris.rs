//! The URIs of a release's resources: each leads to one resource.

use std::collections::HashMap;

use domain::{Offer, ResourceUri, ToolInterface, ToolName};

use crate::AppError;

/// Steps in which all templates of a release are held against each other: a tenth of a second. A template of usual length needs a hundred
/// for each other one.
const STEPS_MAX: u32 = 10_000_000;

/// Refuses two resources of one URI, and two templates that fit one URI: which of them would be read?
pub(super) fn check(interfaces: &[ToolInterface]) -> Result<(), AppError> {
    let mut by_uri: HashMap<&str, &ToolName> = HashMap::new();
    let mut templates: Vec<(&ToolName, &ResourceUri)> = Vec::new();
    for interface in interfaces {
        let Offer::Resource(resource) = &interface.offer else { continue };
        if let Some(other) = by_uri.insert(resource.uri.as_str(), &interface.name) {
            return Err(clash(format!(
                "the resources `{other}` and `{}` have one URI, `{}`: give each its own",
                interface.name, resource.uri
            )));
        }
        if resource.uri.is_template() {
            templates.push((&interface.name, &resource.uri));
        }
    }
    check_templates(&templates)
}

fn check_templates(templates: &[(&ToolName, &ResourceUri)]) -> Result<(), AppError> {
    let mut steps_left = STEPS_MAX;
    let mut left = templates;
    while let Some(((name, uri), others)) = left.split_first() {
        for (other, beside) in others {
            match uri.overlaps(beside, &mut steps_left) {
                Some(false) => {}
                Some(true) => {
                    return Err(clash(format!(
                        "the resource templates `{name}` ({uri}) and `{other}` ({beside}) fit some URIs both: let their texts differ, \
                         such as in the part before the first expression"
                    )));
                }
                None => {
                    return Err(clash(
                        "the resource templates are too many and too long to be told apart: let them differ in the part before the first \
                         expression"
                            .to_owned(),
                    ));
                }
            }
        }
        left = others;
    }
    Ok(())
}

fn clash(message: String) -> AppError {
    AppError::Conflict { message }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_uri_leads_to_one_resource() {
        assert!(check(&[resource("a", "n://today"), resource("b", "n://{day}"), resource("c", "n://{day}/raw")]).is_ok());

        let twice = check(&[resource("a", "n://today"), resource("b", "n://today")]).unwrap_err().to_string();
        let both = check(&[resource("a", "n://{day}"), resource("b", "n://{+all}")]).unwrap_err().to_string();

        assert_eq!(twice, "the resources `a` and `b` have one URI, `n://today`: give each its own");
        assert!(both.starts_with("the resource templates `a` (n://{day}) and `b` (n://{+all}) fit some URIs both"), "{both}");
    }

    #[test]
    fn what_takes_too_long_to_be_told_apart_is_refused() {
        let middle = "x".repeat(900);
        let long: Vec<ToolInterface> =
            (0..200).map(|index| resource(&format!("r{index}"), &format!("n:{{+a}}{middle}{{+b}}z{index}"))).collect();

        let refused = check(&long).unwrap_err().to_string();

        assert!(refused.contains("too many and too long") || refused.contains("fit some URIs both"), "{refused}");
    }

    fn resource(name: &str, uri: &str) -> ToolInterface {
        let interface = json!({
            "name": name, "description": "a resource", "input": {"type": "object"}, "offer": {"kind": "resource", "uri": uri},
        });
        serde_json::from_value(interface).unwrap()
    }
}

//! Pictures that clients show beside a name (MCP, `Icon`).

use serde::{Deserialize, Serialize};

use crate::content;

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Icon {
    /// Where it is: an `https:` or `data:` URL.
    pub src: String,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// The sizes it is good for: `48x48`, or `any`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<String>,
    /// The ground it is made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theme: Option<Theme>,
}

/// A ground on which pictures are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// Why a client would not show a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IconError {
    /// Too many.
    #[error("there can be {} at most", Icon::ICONS_MAX)]
    Count,
    /// A place that clients refuse (MCP, "Icons", security considerations).
    #[error("`src` must be an https: or data:image/ URL of {} bytes at most", Icon::SRC_BYTES_MAX)]
    Source,
    /// A media type that is none.
    #[error("`mimeType` must be a media type such as image/png")]
    MimeType,
    /// A size that is none.
    #[error("`sizes` must be such as 48x48, or any")]
    Size,
}

impl Icon {
    /// Of one tool.
    pub const ICONS_MAX: usize = 4;
    /// Every list of tools carries it.
    pub const SRC_BYTES_MAX: usize = 16 * 1024;
}

pub(crate) fn check(icons: &[Icon]) -> Result<(), IconError> {
    if icons.len() > Icon::ICONS_MAX {
        return Err(IconError::Count);
    }
    for icon in icons {
        let is_place = icon.src.starts_with("https://") || icon.src.starts_with("data:image/");
        if !is_place || icon.src.len() > Icon::SRC_BYTES_MAX || !icon.src.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(IconError::Source);
        }
        content::check_mime_type(icon.mime_type.as_deref()).map_err(|_| IconError::MimeType)?;
        if icon.sizes.len() > Icon::ICONS_MAX || !icon.sizes.iter().all(|size| is_size(size)) {
            return Err(IconError::Size);
        }
    }
    Ok(())
}

fn is_size(text: &str) -> bool {
    let is_number = |part: &str| (1..=5).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    text == "any" || text.split_once('x').is_some_and(|(width, height)| is_number(width) && is_number(height))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn pictures_come_from_safe_places() {
        let check = |icon: Value| check(&[serde_json::from_value(icon).unwrap()]);

        assert_eq!(check(json!({"src": "https://a.test/a.png", "mimeType": "image/png", "sizes": ["48x48", "any"]})), Ok(()));
        assert_eq!(check(json!({"src": "data:image/svg+xml,a", "theme": "dark"})), Ok(()));
        for src in ["http://a.test/a.png", "javascript:alert(1)", "data:text/html,a", "https://a.test/ a", "file:///a"] {
            assert_eq!(check(json!({"src": src})), Err(IconError::Source), "{src}");
        }
        assert_eq!(check(json!({"src": "https://a.test", "sizes": ["large"]})), Err(IconError::Size));
        assert_eq!(check(json!({"src": "https://a.test", "mimeType": "png"})), Err(IconError::MimeType));
    }
}

//! `[[upstream]]`: the issuers elsewhere by which people sign in. Each row has an `id`; in the environment it stands in the variables' names, in
//! capitals and with `_` for `-`.

use std::fs;

use app::accounts::{
    SignUpPolicy,
    upstream::{UpstreamIssuer, UpstreamSettings},
};
use domain::{HostPattern, UpstreamId};
use egress::HostAndPort;
use secrecy::SecretString;
use url::Url;

use super::{Configuration, Profile, Reader, Setting, switch::Switch, value::Value};

/// Buttons that a page has room for.
const UPSTREAMS_MAX: usize = 10;
/// The section in the file, and the beginning of the keys.
pub(super) const SECTION: &str = "upstream";
/// Variables of the environment that begin so are about one of them.
const PREFIX: &str = "TOOLWRIGHT_UPSTREAM_";

/// One thing that is said of an issuer.
struct Field {
    key: &'static str,
    about: &'static str,
    is_secret: bool,
}

const ISSUER: Field =
    field("issuer", "the issuer's identifier, exactly as its discovery document has it, such as https://id.example.com");
const TITLE: Field = field("title", "what it is called on buttons; default: its id");
const CLIENT_ID: Field = field("client_id", "what the issuer calls this installation");
const CLIENT_SECRET: Field = Field { is_secret: true, ..field("client_secret", "what this installation shows the issuer") };
const CLIENT_SECRET_FILE: Field = field("client_secret_file", "a file that has it");
const SCOPES: Field = field("scopes", "what is asked for, separated by spaces; `openid` is asked for in any case");
const EMAIL_DOMAINS: Field = field(
    "email_domains",
    "domains, separated by commas, of e-mail addresses that the issuer must have confirmed; nobody else comes in by it",
);
const SIGN_UP: Field = field(
    "sign_up",
    "whether people who are not known become users: `open` or `closed` (whoever is invited); default: as accounts.sign_up",
);
const FIELDS: [&Field; 8] = [&ISSUER, &TITLE, &CLIENT_ID, &CLIENT_SECRET, &CLIENT_SECRET_FILE, &SCOPES, &EMAIL_DOMAINS, &SIGN_UP];

/// What an issuer is called.
struct Title(String);

/// What it calls us.
struct ClientId(String);

/// What is asked for.
struct Scopes(Vec<String>);

/// Domains of addresses.
struct Domains(Vec<String>);

/// The rows of the file, in their order, and those of the environment alone.
pub(super) fn read(reader: &mut Reader<'_>, configuration: &Configuration) -> Vec<UpstreamSettings> {
    let ids = ids(reader);
    if ids.len() > UPSTREAMS_MAX {
        reader.refuse(format!("there are {} upstreams: {UPSTREAMS_MAX} is the most", ids.len()));
    }
    let mut upstreams: Vec<UpstreamSettings> = Vec::new();
    for id in ids {
        let Some(read) = read_row(reader, &id, configuration) else { continue };
        if let Some(same) = upstreams.iter().find(|other| other.issuer == read.issuer) {
            reader.refuse(format!("the upstreams `{}` and `{id}` have the same issuer: one of them is enough", same.id));
        }
        upstreams.push(read);
    }
    upstreams
}

/// The settings of a row, for a list of all settings.
pub(super) fn describe(reader: &mut Reader<'_>) {
    for field in FIELDS {
        reader.describe(&field.of("<id>", "<ID>"));
    }
}

fn ids(reader: &mut Reader<'_>) -> Vec<UpstreamId> {
    let mut ids: Vec<UpstreamId> = Vec::new();
    for name in reader.row_names().to_vec() {
        match name.parse::<UpstreamId>() {
            Ok(id) if ids.contains(&id) => reader.refuse(format!("two [[upstream]] have the id `{id}`")),
            Ok(id) => ids.push(id),
            Err(error) => reader.refuse(format!("the id of an [[upstream]]: {error}")),
        }
    }
    for id in reader.variables().filter_map(id_of_variable).collect::<Vec<_>>() {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// The id in a variable's name, if the rest of it is a field.
fn id_of_variable(name: &str) -> Option<UpstreamId> {
    let rest = name.strip_prefix(PREFIX)?;
    let mut ids = FIELDS.iter().filter_map(|field| rest.strip_suffix(&field.key.to_ascii_uppercase())?.strip_suffix('_'));
    ids.find_map(|id| id.to_ascii_lowercase().replace('_', "-").parse().ok())
}

fn read_row(reader: &mut Reader<'_>, id: &UpstreamId, configuration: &Configuration) -> Option<UpstreamSettings> {
    let setting = |field: &Field| field.of(id.as_str(), &id.as_str().to_ascii_uppercase().replace('-', "_"));
    let (issuer_setting, reason) = (setting(&ISSUER), "without it nobody can sign in by this upstream");
    let issuer = reader.require::<UpstreamIssuer>(&issuer_setting, reason);
    let title = reader.read(&setting(&TITLE), || Title(id.to_string()));
    let client_id = reader.require::<ClientId>(&setting(&CLIENT_ID), reason);
    let client_secret = read_secret(reader, &setting(&CLIENT_SECRET), &setting(&CLIENT_SECRET_FILE));
    let scopes = reader.read(&setting(&SCOPES), || Scopes(["openid", "email", "profile"].map(str::to_owned).into()));
    let domains = reader.read(&setting(&EMAIL_DOMAINS), || Domains(Vec::new()));
    let sign_up = match configuration.accounts.sign_up {
        SignUpPolicy::Open => Switch::Open,
        SignUpPolicy::Closed => Switch::Closed,
    };
    let sign_up = match reader.read(&setting(&SIGN_UP), || sign_up) {
        Switch::Open => SignUpPolicy::Open,
        Switch::Closed => SignUpPolicy::Closed,
    };
    let issuer = issuer?;
    check_place(reader, &issuer_setting, &issuer, configuration);
    Some(UpstreamSettings {
        id: id.clone(),
        title: title.0,
        issuer,
        client_id: client_id?.0,
        client_secret: client_secret?,
        scopes: scopes.0,
        email_domains: domains.0,
        sign_up,
    })
}

/// The secret itself, or what its file has; a line's end is none of it.
fn read_secret(reader: &mut Reader<'_>, secret: &Setting, file: &Setting) -> Option<SecretString> {
    let given = reader.read_optional::<SecretString>(secret);
    let path = reader.read_optional::<std::path::PathBuf>(file);
    match (given, path) {
        (Some(_), Some(_)) => {
            reader.refuse(format!("`{}` and `{}` are both set: leave one out", secret.key, file.key));
            None
        }
        (Some(given), None) => Some(given),
        (None, Some(path)) => match fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => Some(SecretString::from(text.trim())),
            Ok(_) => {
                reader.refuse(format!("the file {} (`{}`) is empty", path.display(), file.key));
                None
            }
            Err(error) => {
                reader.refuse(format!("cannot read the file {} (`{}`): {error}", path.display(), file.key));
                None
            }
        },
        (None, None) => {
            let (variable, other) = (&secret.variable, &file.variable);
            reader.refuse(format!("neither {variable} nor {other} is set (in the file: `{}`): the issuer wants it", secret.key));
            None
        }
    }
}

/// An issuer on this machine is for trying things out, and is reached as other private hosts are.
fn check_place(reader: &mut Reader<'_>, setting: &Setting, issuer: &UpstreamIssuer, configuration: &Configuration) {
    let Ok(url) = Url::parse(issuer.as_str()) else { return };
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return };
    if issuer.is_plain_http() && configuration.profile == Profile::Production {
        reader.refuse(format!("`{}` is {issuer}: in production it must be https", setting.key));
    }
    let place = format!("{host}:{port}");
    let is_allowed = place.parse::<HostAndPort>().is_ok_and(|place| configuration.egress.allows_private(&place));
    if host.ends_with(".localhost") && !is_allowed {
        reader.refuse(format!("`{}` is on this machine: name {place} in `egress.allow_private` as well", setting.key));
    }
}

const fn field(key: &'static str, about: &'static str) -> Field {
    Field { key, about, is_secret: false }
}

impl Field {
    fn of(&self, id: &str, variable: &str) -> Setting {
        let key = format!("{SECTION}.{id}.{}", self.key);
        let variable = format!("{PREFIX}{variable}_{}", self.key.to_ascii_uppercase());
        Setting::of_row(key, variable, self.about, self.is_secret)
    }
}

impl Value for UpstreamIssuer {
    const FORM: &'static str = "an https URL with the name of a host, without query and fragment, exactly as the issuer writes it \
        in its discovery document; http for names that end in `.localhost` alone";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Title {
    const FORM: &'static str = "a text of 1 to 60 characters on one line";

    fn parse(text: &str) -> Option<Self> {
        let fits = (1..=UpstreamSettings::TITLE_CHARS_MAX).contains(&text.chars().count());
        (fits && text.trim() == text && !text.chars().any(char::is_control)).then(|| Self(text.to_owned()))
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

impl Value for ClientId {
    const FORM: &'static str = "1 to 512 printable characters of ASCII";

    /// Characters as RFC 6749 has them in appendix A.1.
    fn parse(text: &str) -> Option<Self> {
        let fits = (1..=512).contains(&text.len()) && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
        fits.then(|| Self(text.to_owned()))
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

impl Value for Scopes {
    const FORM: &'static str = "words separated by spaces, 20 at most, such as openid email profile";

    /// Words as RFC 6749 has them in section 3.3.
    fn parse(text: &str) -> Option<Self> {
        let words: Vec<String> = text.split_ascii_whitespace().map(str::to_owned).collect();
        let is_word = |word: &String| word.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        ((1..=20).contains(&words.len()) && words.iter().all(is_word)).then_some(Self(words))
    }

    fn show(&self) -> String {
        self.0.join(" ")
    }
}

impl Value for Domains {
    const FORM: &'static str = "domains separated by commas, in lower case, such as example.com,example.org";

    fn parse(text: &str) -> Option<Self> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let is_domain = |item: &str| !item.starts_with('*') && item.parse::<HostPattern>().is_ok();
        items.map(|item| is_domain(item).then(|| item.to_owned())).collect::<Option<_>>().map(Self)
    }

    fn show(&self) -> String {
        self.0.join(",")
    }
}

//! What may be imported: by the tier, by the grants, by name (TIER-4).

use std::collections::BTreeSet;

use compiler::{LIBRARY, ModuleBounds};
use domain::{LibraryModules, ModuleName};

use crate::free_tier::FreeTier;

fn basic() -> ModuleBounds {
    let richer_tiers = vec!["enterprise".parse().unwrap(), "pro".parse().unwrap()];
    ModuleBounds { library: LibraryModules::Basic, tier: Some("free".parse().unwrap()), richer_tiers, granted: BTreeSet::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_the_tier_lacks_is_refused_with_the_tiers_that_have_it() {
    let tier = FreeTier::start();

    let reason = tier.refused("import { toMarkdown } from \"toolwright:html\";\ntoMarkdown;", basic()).await;

    assert_eq!((reason.line, reason.column), (Some(2), Some(28)));
    assert_eq!(
        reason.message,
        "cannot import this: \"toolwright:html\" is not among the modules of tier `free` (its library_modules are `basic`): the tiers \
         `enterprise`, `pro` have it"
    );
    assert!(tier.build("import { parse } from \"toolwright:csv\";\nparse;", "return 1;", basic()).await.is_ok());
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_module_is_refused_or_built_as_its_class_says() {
    let tier = FreeTier::start();

    for module in LIBRARY {
        let import = format!("import * as all from \"{}\";\nif (Object.keys(all).length === 0) throw 1;", module.specifier());
        let is_built = tier.build(&import, "return 1;", basic()).await.is_ok();
        assert_eq!(is_built, module.class == LibraryModules::Basic, "{}", module.name);
        let built = tier.build(&import, "return 1;", ModuleBounds::none()).await.unwrap();
        assert_eq!(built.modules.iter().map(ModuleName::as_str).collect::<Vec<_>>(), [module.name]);
    }
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_module_is_refused_with_the_nearest_name_and_the_list() {
    let tier = FreeTier::start();

    for (wanted, nearest) in
        [("cvs", "csv"), ("yml", "yaml"), ("date", "dates"), ("jsonpath", "json-path"), ("YAML", "yaml"), ("htlm", "html")]
    {
        let message = tier.refused(&format!("import \"toolwright:{wanted}\";"), ModuleBounds::none()).await.message;
        assert!(message.contains(&format!("did you mean \"toolwright:{nearest}\"?")), "{message}");
        assert!(message.ends_with("toml, xml, yaml, zip"), "{message}");
    }
    let message = tier.refused("import \"toolwright:postgres\";", ModuleBounds::none()).await.message;
    assert!(!message.contains("did you mean"), "{message}");
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_granted_bounds_what_is_imported() {
    let tier = FreeTier::start();
    let granted = ModuleBounds { granted: BTreeSet::from(["csv".parse().unwrap()]), ..ModuleBounds::none() };

    let reason = tier.refused("import \"toolwright:csv\";\nimport \"toolwright:yaml\";", granted.clone()).await;

    assert_eq!(reason.line, Some(3));
    assert!(reason.message.contains("is not among the modules that `grants.modules` names"), "{reason:?}");
    assert!(tier.build("import \"toolwright:csv\";", "return 1;", granted).await.is_ok());
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_is_found_however_it_is_imported() {
    let tier = FreeTier::start();

    let lazily = tier.build("", "return (await import(\"toolwright:jwt\")).decode.name;", ModuleBounds::none()).await.unwrap();
    assert_eq!(lazily.modules.len(), 1);
    assert!(matches!(tier.call(lazily).await.outcome, domain::Outcome::Success(_)));

    let only_types =
        tier.build("import type { Payload } from \"toolwright:jwt\";\nlet p: Payload;", "return 1;", basic()).await.unwrap();
    assert!(only_types.modules.is_empty());
    tier.end().await;
}

//! `/account/customers/{customer}/members`, and leaving a customer.

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{browser::Browser, invitations::join};
use crate::client::{Answer, Doors};

/// Ada, who owns a customer, and Eve, who joined it with a role.
struct Scene {
    doors: Doors,
    ada: Browser,
    eve: Browser,
    eves_id: String,
    /// What the paths of the customer's pages begin with.
    here: String,
}

impl Scene {
    async fn with_eve_as(role: &str, pool: PgPool) -> Self {
        let doors = Doors::open(pool).await;
        let (mut ada, mut eve) = (doors.browser(), doors.browser());
        ada.sign_up("ada@example.com").await;
        eve.sign_up("eve@example.com").await;
        join(&mut ada, &mut eve, role).await;
        let here = format!("/account/customers/{}", account(&mut ada).await["customers"][0]["customer_id"].as_str().unwrap());
        let eves_id = account(&mut eve).await["user_id"].as_str().unwrap().to_owned();
        Self { doors, ada, eve, eves_id, here }
    }

    fn path(&self, rest: &str) -> String {
        format!("{}/{rest}", self.here)
    }

    fn eves(&self, act: &str) -> String {
        format!("{}/members/{}/{act}", self.here, self.eves_id)
    }

    /// Where Eve leaves by REST.
    fn rest(&self) -> String {
        self.here.replace("/account/", "/api/v1/account/")
    }

    async fn ada_sends(&mut self, action: &str, fields: &[(&str, &str)]) -> Answer {
        self.ada.fill(&self.path("members"), action, fields).await
    }

    /// Eve's role at the customer.
    async fn eves_role(&mut self) -> Option<String> {
        let account = account(&mut self.eve).await;
        let customers = account["customers"].as_array().unwrap();
        let found = customers.iter().find(|customer| self.here.ends_with(customer["customer_id"].as_str().unwrap()));
        found.map(|customer| customer["role"].as_str().unwrap().to_owned())
    }
}

async fn account(browser: &mut Browser) -> Value {
    browser.fetch("GET", "/api/v1/account", None).await.json()
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_owner_changes_roles_and_removes_people(pool: PgPool) {
    let mut scene = Scene::with_eve_as("viewer", pool).await;
    let (members, role, remove) = (scene.path("members"), scene.eves("role"), scene.eves("remove"));
    assert!(scene.ada.get("/account").await.text.contains(&format!("href=\"{members}\"")));

    let page = scene.ada.get(&members).await;
    for shown in ["eve@example.com", "ada@example.com", ">you</span>", "Make a link", &role, &remove] {
        assert!(page.text.contains(shown), "{shown}: {page}");
    }
    let changed = scene.ada_sends(&role, &[("role", "editor")]).await;
    assert_eq!(changed.header("location"), format!("{members}?done=role"), "{changed}");
    assert_eq!(scene.eves_role().await.as_deref(), Some("editor"));
    assert!(scene.ada.get(changed.header("location")).await.text.contains("The role is changed."));
    let nonsense = scene.ada_sends(&role, &[("role", "emperor")]).await;
    assert_eq!(nonsense.status, StatusCode::UNPROCESSABLE_ENTITY);

    let removed = scene.ada_sends(&remove, &[]).await;
    assert_eq!(removed.header("location"), format!("{members}?done=removed"), "{removed}");
    assert_eq!(scene.eves_role().await, None);
    assert_eq!(scene.eve.get(&members).await.status, StatusCode::NOT_FOUND);
    assert_eq!(scene.ada_sends(&remove, &[]).await.status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_invitations_link_is_shown_once_and_works(pool: PgPool) {
    let mut scene = Scene::with_eve_as("viewer", pool).await;
    let (members, invitations) = (scene.path("members"), scene.path("invitations"));
    let link_in = |page: &Answer| {
        page.text.split("http://127.0.0.1:8080/invitations/").nth(1).map(|rest| rest.split('<').next().unwrap().to_owned())
    };

    let made = scene.ada_sends(&invitations, &[("role", "editor"), ("email", " Bob@Example.com ")]).await;
    assert_eq!(made.status, StatusCode::OK, "{made}");
    let link = format!("/invitations/{}", link_in(&made).unwrap());
    let later = scene.ada.get(&members).await;
    assert_eq!(link_in(&later), None, "it is shown once");
    assert!(later.text.contains("bob@example.com") && later.text.contains("Open until"), "{later}");
    let mut bob = scene.doors.browser();
    bob.sign_up("bob@example.com").await;
    assert_eq!(bob.fill(&link, &link, &[]).await.header("location"), "/account?done=joined");
    assert!(!scene.ada.get(&members).await.text.contains("Open invitations"));

    let wrong = scene.ada_sends(&invitations, &[("role", "viewer"), ("email", "nonsense")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("value=\"nonsense\"") && wrong.text.contains("class=\"faults\""), "{wrong}");
    let for_all = scene.ada_sends(&invitations, &[("role", "viewer"), ("email", "")]).await;
    let link = format!("/invitations/{}", link_in(&for_all).unwrap());
    let open = scene.ada.fetch("GET", "/api/v1/invitations", None).await.json();
    let end = format!("{invitations}/{}/end", open["items"][0]["invitation_id"].as_str().unwrap());
    let taken = scene.ada_sends(&end, &[]).await;
    assert_eq!(taken.header("location"), format!("{members}?done=taken-back"));
    assert_eq!(scene.doors.browser().get(&link).await.status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_is_no_owner_looks_and_changes_nothing(pool: PgPool) {
    let mut scene = Scene::with_eve_as("editor", pool).await;
    let members = scene.path("members");
    let adas_id = account(&mut scene.ada).await["user_id"].as_str().unwrap().to_owned();

    let page = scene.eve.get(&members).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("ada@example.com") && page.text.contains("Leave"), "{page}");
    for hidden in ["Remove", "Make a link", "<select"] {
        assert!(!page.text.contains(hidden), "{hidden}: {page}");
    }
    let forms = [
        (scene.eves("role"), vec![("role", "owner")]),
        (format!("{members}/{adas_id}/role"), vec![("role", "viewer")]),
        (format!("{members}/{adas_id}/remove"), vec![]),
        (scene.path("invitations"), vec![("role", "owner"), ("email", "")]),
    ];
    for (action, fields) in forms {
        let refused = scene.eve.fill(&members, &action, &fields).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{action}: {refused}");
    }
    assert_eq!(scene.eves_role().await.as_deref(), Some("editor"));
    assert_eq!(account(&mut scene.ada).await["customers"][0]["role"], "owner");
}

#[sqlx::test(migrations = "../../migrations")]
async fn another_customers_page_and_forms_are_not_there(pool: PgPool) {
    let mut scene = Scene::with_eve_as("viewer", pool).await;
    let mut mallory = scene.doors.browser();
    mallory.sign_up("mallory@example.com").await;
    let missing = "/account/customers/01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10/members";

    for page in [scene.path("members"), missing.to_owned()] {
        let answer = mallory.get(&page).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer}");
        assert!(!answer.text.contains("ada@example.com"), "{answer}");
    }
    let forms = [scene.eves("role"), scene.eves("remove"), scene.path("invitations"), scene.path("leave")];
    for action in forms {
        let refused = mallory.fill("/account", &action, &[("role", "owner"), ("email", "")]).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{action}: {refused}");
    }
    assert_eq!(mallory.fetch("DELETE", &scene.rest(), None).await.status, StatusCode::NOT_FOUND);
    // By the way of one's own customer neither.
    let own = account(&mut mallory).await["customers"][0]["customer_id"].as_str().unwrap().to_owned();
    let action = format!("/account/customers/{own}/members/{}/remove", scene.eves_id);
    assert_eq!(mallory.fill("/account", &action, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(scene.eves_role().await.as_deref(), Some("viewer"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn no_form_of_another_page_counts(pool: PgPool) {
    let mut scene = Scene::with_eve_as("viewer", pool).await;
    let forms = [scene.eves("role"), scene.eves("remove"), scene.path("invitations"), scene.path("leave")];

    for action in &forms {
        for csrf in ["", "forged"] {
            let refused = scene.ada.post(action, &[("role", "owner"), ("email", ""), ("csrf", csrf)]).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{action}: {refused}");
        }
    }
    let mut elsewhere = scene.ada.clone();
    elsewhere.origin = Some("https://elsewhere.example".to_owned());
    let refused = elsewhere.fetch("DELETE", &scene.rest(), None).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused}");
    assert_eq!(scene.eves_role().await.as_deref(), Some("viewer"));
    assert!(scene.ada.fetch("GET", "/api/v1/invitations", None).await.json()["items"].as_array().unwrap().is_empty());
}

#[sqlx::test(migrations = "../../migrations")]
async fn members_leave_and_the_last_owner_cannot(pool: PgPool) {
    let mut scene = Scene::with_eve_as("owner", pool).await;
    let (members, leave) = (scene.path("members"), scene.path("leave"));

    let left = scene.ada_sends(&leave, &[]).await;
    assert_eq!(left.header("location"), "/account?done=left", "{left}");
    assert!(scene.ada.get("/account?done=left").await.text.contains("You have left"));
    assert_eq!(scene.ada.get(&members).await.status, StatusCode::NOT_FOUND);

    let kept = scene.eve.fill(&members, &leave, &[]).await;
    assert_eq!(kept.status, StatusCode::CONFLICT, "{kept}");
    assert!(kept.text.contains("A customer needs an owner"), "{kept}");
    let demoted = scene.eve.fill(&members, &scene.eves("role"), &[("role", "viewer")]).await;
    assert_eq!(demoted.status, StatusCode::CONFLICT, "{demoted}");
    let by_rest = scene.eve.fetch("DELETE", &scene.rest(), None).await;
    assert_eq!((by_rest.status, &by_rest.json()["error_code"]), (StatusCode::CONFLICT, &json!("conflict")));
    assert_eq!(scene.eves_role().await.as_deref(), Some("owner"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn leaving_by_rest_takes_ones_own_links_along(pool: PgPool) {
    let mut scene = Scene::with_eve_as("owner", pool).await;
    let made = scene.eve.fill(&scene.path("members"), &scene.path("invitations"), &[("role", "owner"), ("email", "")]).await;
    let token = made.text.split("http://127.0.0.1:8080/invitations/").nth(1).unwrap().split('<').next().unwrap();

    assert_eq!(scene.eve.fetch("DELETE", &scene.rest(), None).await.status, StatusCode::NO_CONTENT);

    assert_eq!(scene.eves_role().await, None);
    assert_eq!(scene.eve.get(&format!("/invitations/{token}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(scene.eve.fetch("DELETE", &scene.rest(), None).await.status, StatusCode::NOT_FOUND);
}

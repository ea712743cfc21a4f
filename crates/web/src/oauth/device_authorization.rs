//! Where devices without a browser begin (RFC 8628, section 3.1).

use std::sync::Arc;

use app::{App, tokens::devices};
use axum::{Json, extract::State};
use oauth::{DeviceAnswer, DeviceRequest};

use super::{
    client::{self, Refused},
    fault::Fault,
    form::ClientForm,
};

/// Begins for a device without a browser: gives the code that it shows, and the one that it asks for tokens with (RFC 8628)
#[utoipa::path(post, path = "/oauth/device_authorization", tag = "oauth",
    request_body(content = Object, content_type = "application/x-www-form-urlencoded",
        description = "`resource` (RFC 8707) and `scope`; the client shows itself as at the token endpoint"),
    responses(
        (status = 200, description = "Both codes, and where the user enters the one (RFC 8628, section 3.2)", body = Object),
        (status = 400, description = "The form is not right, or the client does not ask so", body = Fault),
        (status = 401, description = "The client is not known, or did not prove to be itself", body = Fault),
    ))]
pub(crate) async fn authorize_device(State(app): State<Arc<App>>, form: ClientForm) -> Result<Json<DeviceAnswer>, Refused> {
    let client = client::authenticate(&app, &form).await?;
    let refused = |fault| Refused::new(fault, &form);
    let request = DeviceRequest::parse(app.issuer(), &form.parameters).map_err(|error| refused(error.into()))?;
    devices::begin(&app, &client, form.from, request).await.map(Json).map_err(refused)
}

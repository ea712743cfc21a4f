//! How a device without a browser gets its tokens: it asks again and again until a person has decided elsewhere (RFC 8628).

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::{ClientId, Endpoint, Issuer, Parameters, Resource, ResourceError, Secret, TokenError, TokenErrorCode, UserCode};

/// What a device asks for (RFC 8628, section 3.1). Who asks is read apart: see [`crate::ClientAuthentication`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRequest {
    /// `scope` as it was written; see [`crate::asked_scopes`].
    pub scope: Option<String>,
    /// What the token is to be for.
    pub resource: Option<Resource>,
}

/// What a device is told first (RFC 8628, section 3.2).
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct DeviceAnswer {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    expires_in: i64,
    interval: u32,
}

/// A device's wish, as it is kept; the device code itself is known by its hash alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceGrant {
    /// Whose it is.
    pub client: ClientId,
    /// From when on it is worth nothing.
    pub expires_at: DateTime<Utc>,
    /// What became of it.
    pub state: DeviceState,
    /// Seconds between two questions of the device, at least.
    pub interval_s: u32,
    /// When the device asked last.
    pub polled_at: Option<DateTime<Utc>>,
}

/// What became of a device's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// Nobody has decided yet.
    Pending,
    /// A person said yes.
    Approved,
    /// A person said no.
    Denied,
    /// Tokens were given.
    Redeemed,
}

/// What follows when a device asks. The grant is already changed: it must be kept before anything is answered, in the transaction that read
/// it under a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DevicePoll {
    /// Tokens are given: once.
    Redeemed,
    /// Nothing is given.
    Refused(DeviceRefusal),
}

/// Why nothing is given to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceRefusal {
    /// It asks again.
    #[error("nobody has decided yet")]
    Pending,
    /// It asks again, less often from now on.
    #[error("too soon: wait five seconds longer each time")]
    SlowDown,
    /// It asks no more.
    #[error("the user said no")]
    Denied,
    /// It may begin anew.
    #[error("the device code has expired")]
    Expired,
    /// It has its tokens.
    #[error("the device code has been used")]
    Used,
    /// It is another one's.
    #[error("the device code was given to another client")]
    OtherClient,
}

/// What an impatient device waits longer each time (RFC 8628, section 3.5).
const SLOWER_BY_S: u32 = 5;
/// No device is made to wait longer than this.
const INTERVAL_S_MAX: u32 = 60;

impl DeviceRequest {
    /// Reads the form of a request.
    pub fn parse(issuer: &Issuer, form: &Parameters) -> Result<Self, TokenError> {
        form.check_that_each_stands_once()?;
        let mut resources = form.all("resource");
        let resource = resources.next().map(|text| Resource::parse(issuer, text)).transpose()?;
        if resources.next().is_some() {
            return Err(ResourceError::Several.into());
        }
        Ok(Self { scope: form.find("scope").map(str::to_owned), resource })
    }
}

impl DeviceAnswer {
    /// An answer with new codes, for `grant`, at `now`.
    #[must_use]
    pub fn new(issuer: &Issuer, device_code: &Secret, user_code: &UserCode, grant: &DeviceGrant, now: DateTime<Utc>) -> Self {
        let verification_uri = Endpoint::Device.url(issuer);
        Self {
            device_code: device_code.reveal().to_owned(),
            user_code: user_code.to_string(),
            verification_uri_complete: format!("{verification_uri}?user_code={user_code}"),
            verification_uri,
            expires_in: (grant.expires_at - now).num_seconds(),
            interval: grant.interval_s,
        }
    }
}

impl std::fmt::Debug for DeviceAnswer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("DeviceAnswer").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

impl DeviceGrant {
    /// Seconds between two questions of a device at first (RFC 8628, section 3.2).
    pub const INTERVAL_S: u32 = 5;

    /// A wish that nobody has decided about.
    #[must_use]
    pub const fn new(client: ClientId, expires_at: DateTime<Utc>) -> Self {
        Self { client, expires_at, state: DeviceState::Pending, interval_s: Self::INTERVAL_S, polled_at: None }
    }

    /// Whether a person may still decide about it at `now`. Whoever does so must set the state.
    #[must_use]
    pub fn can_be_decided(&self, now: DateTime<Utc>) -> bool {
        self.state == DeviceState::Pending && now < self.expires_at
    }

    /// What follows when the device asks at `now`; changes the grant accordingly.
    pub fn poll(&mut self, client: &ClientId, now: DateTime<Utc>) -> DevicePoll {
        if *client != self.client {
            return DevicePoll::Refused(DeviceRefusal::OtherClient);
        }
        let last = self.polled_at.replace(now);
        if self.state == DeviceState::Redeemed {
            return DevicePoll::Refused(DeviceRefusal::Used);
        }
        if now >= self.expires_at {
            return DevicePoll::Refused(DeviceRefusal::Expired);
        }
        match self.state {
            DeviceState::Pending if last.is_some_and(|last| self.is_too_soon(last, now)) => {
                self.interval_s = self.interval_s.saturating_add(SLOWER_BY_S).min(INTERVAL_S_MAX);
                DevicePoll::Refused(DeviceRefusal::SlowDown)
            }
            DeviceState::Pending => DevicePoll::Refused(DeviceRefusal::Pending),
            DeviceState::Denied => DevicePoll::Refused(DeviceRefusal::Denied),
            DeviceState::Approved | DeviceState::Redeemed => {
                self.state = DeviceState::Redeemed;
                DevicePoll::Redeemed
            }
        }
    }

    /// Half a second is given for the way there.
    fn is_too_soon(&self, last: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        now < last + TimeDelta::seconds(self.interval_s.into()) - TimeDelta::milliseconds(500)
    }
}

impl From<DeviceRefusal> for TokenError {
    fn from(refusal: DeviceRefusal) -> Self {
        let code = match refusal {
            DeviceRefusal::Pending => TokenErrorCode::AuthorizationPending,
            DeviceRefusal::SlowDown => TokenErrorCode::SlowDown,
            DeviceRefusal::Denied => TokenErrorCode::AccessDenied,
            DeviceRefusal::Expired => TokenErrorCode::ExpiredToken,
            DeviceRefusal::Used | DeviceRefusal::OtherClient => TokenErrorCode::InvalidGrant,
        };
        Self::new(code, &refusal.to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn client(number: u128) -> ClientId {
        ClientId::Registered(uuid::Uuid::from_u128(number))
    }

    fn grant() -> DeviceGrant {
        DeviceGrant::new(client(1), at(600))
    }

    fn refused(refusal: DeviceRefusal) -> DevicePoll {
        DevicePoll::Refused(refusal)
    }

    #[test]
    fn rfc_8628_section_3_5_a_device_waits_until_somebody_has_decided() {
        let mut grant = grant();

        assert_eq!(grant.poll(&client(1), at(0)), refused(DeviceRefusal::Pending));
        assert!(grant.can_be_decided(at(1)));
        grant.state = DeviceState::Approved;
        assert!(!grant.can_be_decided(at(1)));
        assert_eq!(grant.poll(&client(1), at(5)), DevicePoll::Redeemed);
        assert_eq!(grant.poll(&client(1), at(10)), refused(DeviceRefusal::Used));
    }

    #[test]
    fn rfc_8628_section_3_5_an_impatient_device_waits_five_seconds_longer_each_time() {
        let mut grant = grant();

        for (now, refusal, interval_s) in [
            (0, DeviceRefusal::Pending, 5),
            (1, DeviceRefusal::SlowDown, 10),
            (6, DeviceRefusal::SlowDown, 15),
            (21, DeviceRefusal::Pending, 15),
        ] {
            assert_eq!((grant.poll(&client(1), at(now)), grant.interval_s), (refused(refusal), interval_s), "{now}");
        }
        for now in 22..100 {
            let _ = grant.poll(&client(1), at(now));
        }
        assert_eq!(grant.interval_s, INTERVAL_S_MAX);
    }

    #[test]
    fn rfc_8628_section_3_5_a_device_that_waited_as_long_as_it_was_told_is_not_too_soon() {
        let mut grant = grant();
        let half_a_second = TimeDelta::milliseconds(500);

        assert_eq!(grant.poll(&client(1), at(0)), refused(DeviceRefusal::Pending));
        assert_eq!(grant.poll(&client(1), at(5) - half_a_second), refused(DeviceRefusal::Pending));
    }

    #[test]
    fn rfc_8628_section_3_5_no_and_too_late_are_told_apart() {
        let mut denied = DeviceGrant { state: DeviceState::Denied, ..grant() };
        let mut late = DeviceGrant { state: DeviceState::Approved, ..grant() };
        let mut other = grant();

        assert_eq!(denied.poll(&client(1), at(5)), refused(DeviceRefusal::Denied));
        assert_eq!(late.poll(&client(1), at(600)), refused(DeviceRefusal::Expired));
        assert!(!late.can_be_decided(at(600)));
        assert_eq!(other.poll(&client(2), at(5)), refused(DeviceRefusal::OtherClient));
        assert_eq!(other, grant());
    }

    #[test]
    fn rfc_8628_section_3_2_a_device_is_told_its_codes() {
        let issuer = Issuer::parse("https://as.test").unwrap();
        let user_code = "WDJBMJHT".parse().unwrap();
        let answer = DeviceAnswer::new(&issuer, &Secret::shown("dc"), &user_code, &grant(), at(0));

        assert_eq!(
            serde_json::to_value(&answer).unwrap(),
            json!({
                "device_code": "dc",
                "user_code": "WDJB-MJHT",
                "verification_uri": "https://as.test/device",
                "verification_uri_complete": "https://as.test/device?user_code=WDJB-MJHT",
                "expires_in": 600,
                "interval": 5,
            })
        );
        assert!(!format!("{answer:?}").contains("dc"));
    }

    #[test]
    fn rfc_8628_section_3_1_a_device_asks_for_scopes_of_one_resource() {
        let issuer = Issuer::parse("https://as.test").unwrap();
        let parse = |form| DeviceRequest::parse(&issuer, &Parameters::parse(form).unwrap());

        let request = parse("client_id=a&scope=servers:read&resource=https://as.test/api/v1").unwrap();
        assert_eq!(request, DeviceRequest { scope: Some("servers:read".to_owned()), resource: Some(Resource::Management) });
        assert_eq!(
            parse("resource=https://as.test/api/v1&resource=https://as.test/mcp/a").unwrap_err().code,
            TokenErrorCode::InvalidTarget
        );
        assert_eq!(parse("scope=a&scope=b").unwrap_err().code, TokenErrorCode::InvalidRequest);
    }
}

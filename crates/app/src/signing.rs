//! What the platform made, it signs: artifacts, and versions as they were reviewed. A row or a blob that somebody else wrote does not run
//! (SEC-10). A signature is a keyed digest (HMAC-SHA256, RFC 2104) under a key of the platform's own, sealed as secrets are.

use domain::{Digest, Grants, ToolInterface};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use store::{
    PgConnection,
    artifacts::{Artifact, ArtifactKey},
    signatures::SignedVersion,
    versions::VersionSummary,
};
use zeroize::Zeroizing;

use crate::{App, AppError, sealing::DataKey};

const BLOCK_BYTES: usize = 64;

/// Signs and verifies.
pub(crate) struct Signer {
    /// The key, filled up with zeros to one block of the hash as RFC 2104 does it.
    block: Zeroizing<[u8; BLOCK_BYTES]>,
}

/// Why a version is not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// It has no signature, or not that of the platform.
    #[error("it does not carry this installation's signature")]
    Signature,
    /// What was read of it is not what was signed.
    #[error("it is not what was signed")]
    Content,
}

/// Whether what was read of a version is what the platform signed.
pub(crate) async fn check_kept(
    app: &App,
    connection: &mut PgConnection,
    version: &VersionSummary,
) -> Result<Result<(), SignatureError>, AppError> {
    let signed = store::signatures::find(connection, version.id).await?;
    Ok(app.signer.check(signed.as_ref(), &version.grants, &version.interface))
}

impl Signer {
    /// Signs by the platform's own key.
    pub(crate) fn new(key: &DataKey) -> Self {
        let mut block = Zeroizing::new([0; BLOCK_BYTES]);
        block.iter_mut().zip(key.as_bytes()).for_each(|(place, byte)| *place = *byte);
        Self { block }
    }

    /// The signature of what a source became.
    pub(crate) fn sign_artifact(&self, key: &ArtifactKey, digest: &Digest, bytes: u64) -> [u8; 32] {
        self.artifact(key, digest, bytes).finalize().into_bytes().into()
    }

    /// Whether the platform says that the source of `key` became this.
    pub(crate) fn is_artifact_ours(&self, key: &ArtifactKey, artifact: &Artifact) -> bool {
        let signature = artifact.signature.as_ref();
        // The comparison takes the same time wherever the two differ.
        signature.is_some_and(|given| self.artifact(key, &artifact.digest, artifact.bytes).verify_slice(given).is_ok())
    }

    /// The signature of a version.
    pub(crate) fn sign_version(&self, version: &SignedVersion) -> [u8; 32] {
        self.version(version).finalize().into_bytes().into()
    }

    /// Holds a version's signature against what is about to be used of it.
    pub(crate) fn check(
        &self,
        version: Option<&SignedVersion>,
        grants: &Grants,
        interface: &ToolInterface,
    ) -> Result<(), SignatureError> {
        let version = version.ok_or(SignatureError::Signature)?;
        let given = version.signature.as_deref().unwrap_or_default();
        self.version(version).verify_slice(given).map_err(|_| SignatureError::Signature)?;
        let is_same = serde_json::from_str::<Grants>(&version.grants).is_ok_and(|signed| signed == *grants)
            && serde_json::from_str::<ToolInterface>(&version.interface).is_ok_and(|signed| signed == *interface);
        if is_same { Ok(()) } else { Err(SignatureError::Content) }
    }

    fn artifact(&self, key: &ArtifactKey, digest: &Digest, bytes: u64) -> Hmac<Sha256> {
        self.begin("artifact", &[key.source.as_bytes(), key.engine.as_bytes(), digest.as_bytes(), &bytes.to_le_bytes()])
    }

    fn version(&self, version: &SignedVersion) -> Hmac<Sha256> {
        let (id, tool, server) = (version.version.as_uuid(), version.tool.as_uuid(), version.server.as_uuid());
        let parts = [
            id.as_bytes().as_slice(),
            tool.as_bytes(),
            server.as_bytes(),
            version.digest.as_bytes(),
            version.source_digest.as_bytes(),
            version.language.as_bytes(),
            version.export.as_deref().unwrap_or_default().as_bytes(),
            version.interface.as_bytes(),
            version.grants.as_bytes(),
        ];
        self.begin("version", &parts)
    }

    /// One digest over all parts, which keeps their borders.
    fn begin(&self, kind: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
        let all = std::iter::once(kind.as_bytes()).chain(parts.iter().copied());
        let mut mac = Hmac::<Sha256>::new((&*self.block).into());
        mac.update(Digest::of_parts(all).as_bytes());
        mac
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Signer(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealing::{MasterKeys, Owner};

    fn signer() -> Signer {
        let at = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let (key, _) = MasterKeys::new([[1; 32]]).unwrap().make(Owner::Platform, at).unwrap();
        Signer::new(&key)
    }

    #[test]
    fn an_artifact_is_ours_for_its_source_engine_and_bytes_alone() {
        let signer = signer();
        let key = ArtifactKey { source: Digest::of(b"source"), engine: Digest::of(b"engine") };
        let digest = Digest::of(b"artifact");
        let signature = Some(signer.sign_artifact(&key, &digest, 8));
        let artifact = Artifact { digest, bytes: 8, signature };

        assert!(signer.is_artifact_ours(&key, &artifact));
        assert!(!signer.is_artifact_ours(&ArtifactKey { source: digest, ..key }, &artifact));
        assert!(!signer.is_artifact_ours(&ArtifactKey { engine: digest, ..key }, &artifact));
        assert!(!signer.is_artifact_ours(&key, &Artifact { digest: key.source, ..artifact }));
        assert!(!signer.is_artifact_ours(&key, &Artifact { bytes: 9, ..artifact }));
        assert!(!signer.is_artifact_ours(&key, &Artifact { signature: None, ..artifact }));
        assert!(!self::signer().is_artifact_ours(&key, &artifact), "another installation's");
    }

    #[test]
    fn a_version_is_signed_with_its_grants_and_interface() {
        let signer = signer();
        let interface: ToolInterface =
            serde_json::from_str(r#"{"name": "a", "description": "b", "input": {"type": "object"}}"#).unwrap();
        let grants = Grants::default();
        let mut version = SignedVersion {
            version: domain::VersionId::new(),
            tool: domain::ToolId::new(),
            server: domain::ServerId::new(),
            digest: Digest::of(b"version"),
            source_digest: Digest::of(b"source"),
            language: "typescript".to_owned(),
            export: None,
            interface: serde_json::to_string(&interface).unwrap(),
            grants: serde_json::to_string(&grants).unwrap(),
            signature: None,
        };
        assert_eq!(signer.check(Some(&version), &grants, &interface), Err(SignatureError::Signature));
        version.signature = Some(signer.sign_version(&version).to_vec());
        assert_eq!(signer.check(Some(&version), &grants, &interface), Ok(()));

        let widened = Grants { hosts: serde_json::from_str(r#"[{"host": "evil.test"}]"#).unwrap(), ..Grants::default() };
        assert_eq!(signer.check(Some(&version), &widened, &interface), Err(SignatureError::Content));
        version.grants = serde_json::to_string(&widened).unwrap();
        assert_eq!(signer.check(Some(&version), &widened, &interface), Err(SignatureError::Signature));
    }
}

"""What OpenSSL finds wrong, in plain words."""

from __future__ import annotations

import ssl

#: What is said for OpenSSL's reasons; all others are said in its own words.
_REASONS = {
    "WRONG_VERSION_NUMBER": "the other end does not speak TLS",
    "HTTP_REQUEST": "the other end speaks HTTP without TLS",
    "RECORD_LAYER_FAILURE": "the other end does not speak TLS",
    "PACKET_LENGTH_TOO_LONG": "the other end does not speak TLS",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the client showed no certificate",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server asks for a client certificate",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the other end refused, maybe for want of a certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "the other end does not trust who signed our certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the other end does not accept our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the other end says that our certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the other end does not accept our certificate",
}


def in_words(error: ssl.SSLError) -> str:
    """What the error says to somebody who does not know OpenSSL."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of the other end is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLEOFError):
        return "the other end closed in the handshake; does it speak TLS?"
    return _REASONS.get(error.reason or "", str(error))

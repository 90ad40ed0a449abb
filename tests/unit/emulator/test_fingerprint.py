from accesskeys_async.emulator.fingerprint import Fingerprint


def test_a_fingerprint_matches_its_own_token_only() -> None:
    kept = Fingerprint.of("AbCdEf").digest

    assert Fingerprint.of("AbCdEf").matches(kept)
    assert not Fingerprint.of("AbCdEg").matches(kept)


def test_a_fingerprint_takes_what_headers_can_hold_and_does_not_show_itself() -> None:
    fingerprint = Fingerprint.of("\udcff")

    assert fingerprint.selector == fingerprint.digest[:8]
    assert repr(fingerprint) == "Fingerprint()"

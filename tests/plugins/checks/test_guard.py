"""Which addresses a payload may lead to, by tables."""

import pytest
from windlass_checks.guard import Guard, Refused

PUBLIC = [
    "8.8.8.8",
    "2001:4860:4860::8888",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",  # NAT64: where a network has no IPv4, every IPv4 site looks so
    "2002:808:808::1",
]
ELSEWHERE = [
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "fc00::1",
    "fec0::1",
    "2001:db8::1",
    "::ffff:10.1.2.3",
    "2002:a01:203::1",
    "64:ff9b::a01:203",
    "64:ff9b:1::a01:203",
    "::a01:203",
    "2600::5efe:a01:203",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]
THIS_MACHINE = [
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "::ffff:127.0.0.1",
    "2002:7f00:1::",
    "64:ff9b::7f00:1",
    "::7f00:1",
]
NEVER = [
    "169.254.169.254",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "224.0.0.1",
    "ff02::1",
    "0.0.0.0",
    "::",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "2002:a9fe:a9fe::1",
    "64:ff9b::a9fe:a9fe",
    "::a9fe:a9fe",
]


def refusal(guard: Guard, address: str, port: int | None = None) -> str:
    try:
        guard.check("shop.example", address, port)
    except Refused as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_reached(address):
    assert refusal(Guard(), address) == ""


@pytest.mark.parametrize("address", [*ELSEWHERE, *THIS_MACHINE, *NEVER])
def test_no_other_address_may_be_reached(address):
    assert address in refusal(Guard(), address)


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203"])
def test_a_network_that_the_operator_allows_may_be_reached_in_every_form(address):
    assert refusal(Guard(allow=["10.0.0.0/8"]), address) == ""
    assert refusal(Guard(allow=["192.168.0.0/16"]), address) != ""


@pytest.mark.parametrize("address", NEVER)
def test_what_is_never_reached_is_not_reached_although_everything_is_allowed(address):
    assert "may never be checked" in refusal(Guard(allow=["0.0.0.0/0", "::/0"]), address)
    assert refusal(Guard(allow=["169.254.169.254", "fd00:ec2::254", "169.254.0.0/16"]), address)


@pytest.mark.parametrize("address", THIS_MACHINE)
def test_a_wide_network_does_not_open_this_machine(address):
    assert "this machine itself" in refusal(Guard(allow=["0.0.0.0/0", "::/0"]), address)


def test_a_network_of_loopback_alone_opens_this_machine():
    guard = Guard(allow=["127.0.0.0/8", "::1"])
    assert {refusal(guard, address) for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1")} == {""}
    assert refusal(Guard(allow=["127.0.0.1"]), "127.0.0.2") != ""


def test_what_is_denied_is_not_reached_although_it_is_public_or_allowed():
    guard = Guard(allow=["10.0.0.0/8"], deny=["10.9.0.0/16", "8.8.8.0/24"])
    assert refusal(guard, "10.1.0.1") == ""
    for address in ("10.9.0.1", "8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::808:808"):
        assert "the operator denies its network" in refusal(guard, address)


def test_ports_may_be_limited():
    guard = Guard(ports=[443, 80])
    assert refusal(guard, "8.8.8.8", 443) == ""
    assert "port 22 may not be checked from a payload (plugins.checks.ports: 80, 443)" in refusal(guard, "8.8.8.8", 22)
    assert refusal(guard, "8.8.8.8", None) == "", "a ping has none"


def test_a_refusal_says_what_leads_where_and_what_would_change_it():
    assert refusal(Guard(), "::ffff:10.0.0.1").startswith(
        "shop.example leads to ::ffff:10.0.0.1, which carries 10.0.0.1: it is not public; the operator allows networks"
    )


@pytest.mark.parametrize("wrong", ["10.0.0.0/33", "10.0.0.1/8", "example.org", ""])
def test_a_network_that_is_none_is_told_with_its_place(wrong):
    with pytest.raises(ValueError, match=r"allow\[1\]: .*write a network like"):
        Guard(allow=["10.0.0.0/8", wrong])

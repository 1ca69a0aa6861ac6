"""The unit files and the NixOS module: systemd and Nix accept them, and both say the same."""

import asyncio
import configparser
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from real_nix import machine_nix
from typing_extensions import override

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
UNITS = ("nixws-node", "nixws-serve")
# What the module system of NixOS hands to a module, as far as this one asks for it.
STAND_IN = """
let
  set = builtins.listToAttrs;
  types = { str = 1; int = 1; float = 1; bool = 1; port = 1; package = 1; oneOf = _: 1; attrsOf = _: 1; };
  lib = {
    inherit types;
    mkEnableOption = description: { inherit description; };
    mkOption = option: option;
    mkIf = condition: value: if condition then value else { };
    optional = condition: value: if condition then [ value ] else [ ];
    boolToString = value: if value then "true" else "false";
    toUpper = text: builtins.replaceStrings
      [ "a" "b" "c" "d" "e" "g" "i" "k" "l" "p" "s" "t" "u" ]
      [ "A" "B" "C" "D" "E" "G" "I" "K" "L" "P" "S" "T" "U" ]
      text;
    nameValuePair = name: value: { inherit name value; };
    mapAttrs' = f: attrs: set (map (name: f name attrs.${name}) (builtins.attrNames attrs));
  };
  module = import MODULE { inherit lib config pkgs; };
  pkgs = {
    coreutils = "/coreutils"; e2fsprogs = "/e2"; lxcfs = "/lxcfs"; nftables = "/nft"; passt = "/passt"; runc = "/runc";
    util-linux = "/util";
  };
  defaults = builtins.mapAttrs (_: option: option.default or null) module.options.services.nixos-workspaces;
  config = {
    nix.package = "/nix-package";
    services.nixos-workspaces = defaults // {
      enable = true; package = "/package"; openFirewall = true; settings = { builds = 4; package_set = "debian"; };
    };
  };
in
{
  inherit (module) config;
  described = builtins.all (option: option ? description)
    (builtins.attrValues module.options.services.nixos-workspaces);
}
"""


class Repeated(dict[str, str]):
    """Keeps every value of a key that a unit file repeats, as lines."""

    @override
    def __setitem__(self, key: str, value: Any) -> None:
        if key in self and isinstance(value, list):
            value = [*self[key], *value]
        super().__setitem__(key, value)


def service_section(unit: str) -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False, dict_type=Repeated, comment_prefixes="#", delimiters="=")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / f"{unit}.service")
    return dict(parser["Service"])


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("module") / "stand-in.nix"
    file.write_text(STAND_IN.replace("MODULE", str(DEPLOY / "nixos-module.nix")))
    words = ("--eval", "--strict", "--json", file)
    found: dict[str, Any] = asyncio.run(machine_nix().json(*words, program="nix-instantiate", timeout=60))
    return found


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_accepts_the_unit(unit: str, tmp_path: Path) -> None:
    """With the executable of this environment in the place of the installed one, which verify looks for."""
    text = (DEPLOY / f"{unit}.service").read_text()
    for other in UNITS:
        found = (DEPLOY / f"{other}.service").read_text()
        (tmp_path / f"{other}.service").write_text(found.replace("/opt/nixws/venv/bin/nixws", "/bin/true"))
    assert "/opt/nixws/venv/bin/nixws" in text
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / f"{unit}.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS)
def test_the_documentation_states_the_score_that_systemd_gives(unit: str) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(DEPLOY / f"{unit}.service")]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    score = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
    assert score is not None, told
    stated = re.search(rf"`{unit}\.service` (\d+\.\d)", (ROOT / "docs" / "operations.md").read_text())
    assert stated is not None
    # Other versions of systemd look at a few more options.
    assert float(stated[1]) == pytest.approx(float(score[1]), abs=0.3)


@pytest.mark.parametrize("unit", UNITS)
def test_the_nixos_module_says_what_the_unit_file_says(unit: str, module: dict[str, Any]) -> None:
    written = service_section(unit)
    evaluated = module["config"]["systemd"]["services"][unit]["serviceConfig"]
    told = {
        name: "\n".join(value) if isinstance(value, list) else str(value)
        for name, value in evaluated.items()
        if name != "ExecStart"
    }
    assert told == {k: v for k, v in written.items() if k not in {"ExecStart", "Environment", "EnvironmentFile"}}


def test_the_nixos_module_sets_the_services_up(module: dict[str, Any]) -> None:
    config = module["config"]
    node, serve = (config["systemd"]["services"][unit] for unit in UNITS)
    assert module["described"]
    assert node["script"] == 'exec /package/bin/nixws node --allow-user "$(/coreutils/bin/id -u nixws)"'
    assert {"/passt", "/nft", "/runc"} <= set(node["path"])
    assert serve["serviceConfig"]["ExecStart"] == "/package/bin/nixws serve"
    assert serve["environment"] == {
        "NIXWS_DATA": "/var/lib/nixws",
        "NIXWS_HOST": "127.0.0.1",
        "NIXWS_PORT": "5000",
        "NIXWS_NETWORK": "10.213.0.0/16",
        "NIXWS_NIX_BIN": "/nix-package/bin",
        "NIXWS_BUILDS": "4",
        "NIXWS_PACKAGE_SET": "debian",
    }
    assert config["networking"]["firewall"]["allowedTCPPorts"] == [5000]
    assert json.dumps(config["users"]["users"]["nixws"]["isSystemUser"]) == "true"


def test_user_and_directory_are_made_as_the_units_expect_them() -> None:
    assert "\nu nixws - " in (DEPLOY / "nixws.sysusers").read_text()
    assert "\nd /var/lib/nixws 0711 nixws nixws -" in (DEPLOY / "nixws.tmpfiles").read_text()

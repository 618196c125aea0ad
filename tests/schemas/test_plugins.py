from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from schemas import plugins
from schemas.errors import ConfigurationError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a package with three modules and a file that is none."""
    folder = tmp_path / "plugin_examples"
    folder.mkdir()
    for name, text in {"__init__": "", "zebra": "WORD = 'z'", "ant": "WORD = 'a'", "antler": "WORD = ''"}.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "README.md").write_text("no module")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith("plugin_examples")]:
        monkeypatch.delitem(sys.modules, name)
    return "plugin_examples"


def test_every_module_of_a_package_is_found_in_the_order_of_names(package: str) -> None:
    assert [module.__name__ for module in plugins.modules(package)] == [
        f"{package}.{name}" for name in ("ant", "antler", "zebra")
    ]


def test_a_prefix_leaves_out_the_others(package: str) -> None:
    assert [module.__name__ for module in plugins.modules(package, "ant")] == [f"{package}.ant", f"{package}.antler"]


def test_each_module_is_given_with_what_it_declares(package: str) -> None:
    ant, _, zebra = plugins.modules(package)
    assert list(plugins.declarations("WORD", [zebra, ant])) == [(zebra, "z"), (ant, "a")]


@pytest.mark.parametrize("name", ["WORD", "OTHER"])
def test_a_module_that_declares_nothing_is_refused_by_name(package: str, name: str) -> None:
    antler = plugins.modules(package)[1]
    with pytest.raises(ConfigurationError, match=f"^{package}.antler: it declares no {name}$"):
        list(plugins.declarations(name, [antler]))


def test_a_name_belongs_to_the_first_module_that_claims_it() -> None:
    owners = plugins.Owners()
    first, second = SimpleNamespace(__name__="first"), SimpleNamespace(__name__="second")
    owners.claim("sms", first)
    owners.claim("email", second)
    with pytest.raises(ConfigurationError, match=r"^second: sms already belongs to first$"):
        owners.claim("sms", second)
    with pytest.raises(ConfigurationError, match=r"^first: sms already belongs to first$"):
        owners.claim("sms", first)

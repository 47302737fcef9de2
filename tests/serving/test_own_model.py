"""The README's two lines: train on one's own file, serve what came of it."""

import re
import shlex
from pathlib import Path

import httpx
import pandas as pd

from seqrec_lib.records.__main__ import main as records
from tests.serving.test_app import process

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def lines():
    """The two commands, as words after the module's name."""
    (block,) = re.findall(r"Serve your own model in two lines.*?```sh\n(.*?)```", README, re.DOTALL)
    commands = [shlex.split(one) for one in block.replace("\\\n", " ").splitlines() if one.strip()]
    train, serve = (one[one.index("-m") + 1 :] for one in commands)
    assert (train[0], serve[0]) == ("seqrec_lib.records", "seqrec_lib.serving")
    return train[1:], serve[1:]


def test_two_lines_of_the_readme_serve_a_model_of_one_s_own_file(
    table, tmp_path, monkeypatch, capsys
):
    days = pd.to_datetime(table["time"], unit="s").dt.strftime("%d/%m/%Y %H:%M")
    own = pd.DataFrame(
        {"customer": table["user"], "sku": table["item"], "bought_at": days, "price": 1}
    )
    own.to_csv(tmp_path / "orders.csv", sep=";", index=False)
    train, serve = lines()
    monkeypatch.chdir(tmp_path)
    records(
        [
            *("markov" if one == "sasrec" else one for one in train),
            "--results",
            str(tmp_path / "results"),
        ]
    )
    (model,) = (tmp_path / "results").rglob("*.safetensors")
    assert f"its model: {model}\n" in capsys.readouterr().out
    assert re.fullmatch(r"build/results/models/orders-\*-sasrec-s0\.safetensors", serve[0])
    pattern = serve[0].rpartition("/")[2].replace("sasrec", "markov")
    assert model.match(pattern), (model.name, pattern)
    with process(model, *serve[1:]) as (address, _):
        found = httpx.post(f"{address}/v1/top", json={"history": [101, 102], "k": 3}).json()
        (one,) = found["models"].values()
        assert len(one["items"]) == 3 and one["known"] == 2
        begun = httpx.post(f"{address}/v1/replay", json={"rate": 50.0}).json()
        assert begun["events"] == own["customer"].nunique()
        assert httpx.get(address).headers["content-type"].startswith("text/html")

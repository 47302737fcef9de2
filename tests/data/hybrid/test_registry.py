import dataclasses

import pytest

from seqrec_lib.data.hybrid.registry import DAY, HOUR, SET_1, Feature, FeatureSet, RegistryError

# A feature that fails here was changed: raise its version, and add a line. Lines never change.
PUBLISHED = {
    ("views_1h", 1): "9dd6df1a78c7",
    ("views_24h", 1): "03a34355b56d",
    ("views_7d", 1): "c9f461ebce09",
    ("carts_24h", 1): "421b9ca4839d",
    ("orders_7d", 1): "acbd118498b9",
    ("store_lines_7d", 1): "91d21fd4da44",
    ("store_lines_30d", 1): "cad547ea1630",
    ("store_spend_30d", 1): "52b735920bac",
    ("since_online_us", 1): "890159386c46",
    ("since_store_us", 1): "735ee2aaac35",
    ("last_50", 1): "820af5f103db",
}


def changed(name, **values):
    return FeatureSet(
        tuple(dataclasses.replace(f, **values) if f.name == name else f for f in SET_1)
    )


@pytest.mark.parametrize("feature", list(SET_1), ids=lambda feature: feature.name)
def test_a_published_feature_has_not_changed_under_its_version(feature):
    assert FeatureSet((feature,)).digest()[:12] == PUBLISHED[feature.name, feature.version]


def test_the_digest_changes_with_a_definition_or_version_and_with_nothing_else():
    same = FeatureSet(tuple(reversed(SET_1.features)))
    assert same.digest() == changed("last_50", owner="us").digest() == SET_1.digest()
    others = {
        changed("views_1h", **values).digest()
        for values in ({"version": 2}, {"window": 2 * HOUR}, {"action": "cart"}, {"action": None})
    }
    assert len(others | {SET_1.digest()}) == 5


def test_a_changed_feature_needs_a_higher_version():
    with pytest.raises(RegistryError, match="'views_1h' has version 1.*give it version 2"):
        changed("views_1h", window=DAY).check_compatible(SET_1)
    newer = changed("views_1h", window=DAY, version=2)
    newer.check_compatible(SET_1)
    with pytest.raises(RegistryError, match="give it version 3"):
        SET_1.check_compatible(newer)


def test_saved_features_are_compared_with_those_that_stand_there(tmp_path):
    path = tmp_path / "features.json"
    SET_1.save(path)
    assert FeatureSet.load(path) == SET_1
    with pytest.raises(RegistryError, match="give it version 2"):
        changed("views_1h", window=DAY).save(path)
    assert FeatureSet.load(path) == SET_1
    path.write_text("[{}]")
    with pytest.raises(RegistryError, match="restore it, or delete it and rebuild"):
        FeatureSet.load(path)


def test_a_model_of_other_features_is_refused():
    SET_1.require(SET_1.digest(), "model.st")
    with pytest.raises(RegistryError, match="model.st was made with features 0000.*train it again"):
        SET_1.require("0" * 64, "model.st")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "mean"}, "use one of count"),
        ({"kind": "count", "window": HOUR // 60}, "use at least 300000000 microseconds"),
        ({"kind": "last"}, "use a number of events"),
        ({"kind": "since", "source": "web"}, "source is 'web'"),
        ({"kind": "since", "source": "store", "action": "view"}, "use one of buy, return"),
    ],
)
def test_a_feature_that_cannot_be_meant_is_refused(values, words):
    with pytest.raises(RegistryError, match=words):
        Feature("f", 1, **values)


def test_two_features_of_one_name_are_refused():
    with pytest.raises(RegistryError, match=r"\['last_50_age'\] are there twice"):
        FeatureSet((*SET_1, Feature("last_50_age", 1, "since")))

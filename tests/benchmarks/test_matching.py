"""Is a comparison with the authors' code refused where it would not be one?"""

from pathlib import Path

import pytest

from benchmarks.matching.__main__ import main
from benchmarks.matching.options import Options
from ddoq.errors import ResourceError, UsageError


def test_a_folder_without_the_code_is_refused_with_where_to_get_it(tmp_path: Path):
    with pytest.raises(ResourceError, match=r"git clone https://\S+ .*nowhere") as caught:
        main([f"peer={tmp_path / 'nowhere'}"])
    assert "not a checkout of DatasetCondensation" in caught.value.cause


@pytest.mark.parametrize("settings", [{"width": 48}, {"method": "idm"}, {"images_per_class": 1}])
def test_what_the_code_does_not_have_is_refused(settings):
    with pytest.raises(UsageError, match=f"{next(iter(settings))}="):
        Options(Path(), **settings)

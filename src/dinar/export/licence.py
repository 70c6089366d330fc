"""What others may do with a VRM avatar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dinar.errors import InputError

Permission = Literal["onlyAuthor", "onlySeparatelyLicensedPerson", "everyone"]
Commerce = Literal["personalNonProfit", "personalProfit", "corporation"]
Modification = Literal["prohibited", "allowModification", "allowModificationRedistribution"]

WHO: Mapping[str, Permission] = {
    "author": "onlyAuthor",
    "licensed": "onlySeparatelyLicensedPerson",
    "everyone": "everyone",
}
COMMERCE: Mapping[str, Commerce] = {
    "none": "personalNonProfit",
    "personal": "personalProfit",
    "corporate": "corporation",
}
"""Plain words for who may act as the person, and for what that may earn."""

_LICENCE = "https://vrm.dev/licenses/1.0/"


@dataclass(frozen=True)
class Licence:
    """What VRM's licence of an avatar says; what is not given stays forbidden.

    title             the avatar's name
    authors           one at least
    avatar            who may act as this person
    commerce          what it may earn
    modification      whether it may be changed, and the changed one passed on
    redistribution    whether the file may be passed on
    credit            whether the authors must be named
    violence, sexuality, politics, hate   whether it may act so
    url               of a further licence
    copyright         the line of its owner
    """

    title: str
    authors: tuple[str, ...]
    avatar: Permission = "onlyAuthor"
    commerce: Commerce = "personalNonProfit"
    modification: Modification = "prohibited"
    redistribution: bool = False
    credit: bool = True
    violence: bool = False
    sexuality: bool = False
    politics: bool = False
    hate: bool = False
    url: str | None = None
    copyright: str | None = None

    def __post_init__(self) -> None:
        if not self.authors or not all(author.strip() for author in self.authors):
            raise InputError("a VRM file names its author; give --author")

    def as_dict(self) -> dict[str, Any]:
        """The `meta` of VRMC_vrm."""
        meta: dict[str, Any] = {
            "name": self.title,
            "authors": list(self.authors),
            "licenseUrl": _LICENCE,
            "avatarPermission": self.avatar,
            "allowExcessivelyViolentUsage": self.violence,
            "allowExcessivelySexualUsage": self.sexuality,
            "commercialUsage": self.commerce,
            "allowPoliticalOrReligiousUsage": self.politics,
            "allowAntisocialOrHateUsage": self.hate,
            "creditNotation": "required" if self.credit else "unnecessary",
            "allowRedistribution": self.redistribution,
            "modification": self.modification,
        }
        optional = {"otherLicenseUrl": self.url, "copyrightInformation": self.copyright}
        return meta | {name: value for name, value in optional.items() if value}

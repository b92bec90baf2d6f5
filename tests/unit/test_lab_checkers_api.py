"""Tokens and catalogues: refused, lost, come back from the dead, and how long a cache may be wrong."""

from __future__ import annotations

from typing import Any

from histories import LOAD, Told
from test_lab_checkers import kinds

from quorate.lab.checker import INVALID, UNKNOWN, VALID, Verdict, judge
from quorate.lab.checkers.catalogue import CatalogueChecker
from quorate.lab.checkers.tokens import TokenChecker


class TestTokens:
    def check(self, told: Told, **more: Any) -> Verdict:
        return judge(TokenChecker(LOAD, **more), told.history)

    def told(self) -> Told:
        return Told().warm().ok("issue", 1).fault().ok("validate", 1, "valid", node="n2")

    def test_valid_until_revoked(self) -> None:
        verdict = self.check(self.told().ok("revoke", 1).ok("validate", 1, "gone"))
        assert (verdict.value, verdict.offending) == (VALID, ())
        assert (verdict.figures["accepted"], verdict.figures["refused"], verdict.figures["revoked"]) == (1, 1, 1)

    def test_lost(self) -> None:
        verdict = self.check(self.told().ok("validate", 1, "gone", node="n3"))
        assert (verdict.value, kinds(verdict)) == (INVALID, {"lost"})
        assert "at n3" in verdict.offending[0]

    def test_a_revocation_that_was_tried_excuses_it_and_one_that_was_refused_does_not(self) -> None:
        assert self.check(self.told().info("revoke", 1).ok("validate", 1, "gone")).value == VALID
        assert self.check(self.told().fail("revoke", 1).ok("validate", 1, "gone")).value == INVALID
        assert self.check(self.told().ok("validate", 1, "gone").ok("revoke", 1)).value == INVALID
        # While it was revoked: either answer.
        for answer in ("valid", "gone"):
            run = self.told().ok("revoke", 1, at=5.0, took=1.0).ok("validate", 1, answer, at=4.9, took=0.5)
            assert self.check(run).value == VALID

    def test_one_that_was_still_being_issued_may_be_unknown(self) -> None:
        run = self.told().ok("issue", 2, at=5.0, took=1.0).ok("validate", 2, "gone", at=5.5, took=0.1)
        assert self.check(run).value == VALID
        assert self.check(self.told().info("issue", 2).ok("validate", 2, "gone")).value == VALID
        assert self.check(self.told().ok("validate", 3, "gone")).value == VALID

    def test_a_cache_may_be_wrong_for_a_while(self) -> None:
        run = self.told().ok("revoke", 1).wait(34).ok("validate", 1, "valid")
        verdict = self.check(run)
        assert (verdict.value, verdict.figures["accepted after revocation"]) == (VALID, 1)
        assert 34 < verdict.figures["longest acceptance (s)"] < 34.1
        verdict = self.check(run, lag=30.0)
        assert (verdict.value, kinds(verdict)) == (INVALID, {"stale"})
        run.wait(2).ok("validate", 1, "valid")
        assert self.check(run).value == INVALID

    def test_what_a_node_has_called_gone_is_gone_even_if_the_revocation_had_no_answer(self) -> None:
        run = self.told().info("revoke", 1).wait(100).ok("validate", 1, "valid")
        assert self.check(run).value == VALID
        run = self.told().info("revoke", 1).ok("validate", 1, "gone").wait(36).ok("validate", 1, "valid")
        assert kinds(self.check(run)) == {"stale"}

    def test_the_first_revocation_counts(self) -> None:
        run = self.told().ok("revoke", 1).wait(30).info("revoke", 1).ok("revoke", 1).wait(10)
        assert self.check(run.ok("validate", 1, "valid")).value == INVALID

    def test_a_stranger(self) -> None:
        assert kinds(self.check(self.told().ok("validate", 9, "valid"))) == {"unexpected"}
        verdict = self.check(self.told().ok("validate", 2, "valid").ok("issue", 2).ok("validate", 2, "valid"))
        assert kinds(verdict) == {"unexpected"}

    def test_one_whose_issue_was_given_up(self) -> None:
        for run in (self.told().info("issue", 2), self.told().fail("issue", 2)):
            verdict = self.check(run.ok("validate", 2, "valid"))
            assert (verdict.value, verdict.figures["recovered"]) == (VALID, 1)

    def test_a_validation_that_failed_says_nothing(self) -> None:
        run = self.told().op("fail", "validate", 1, "gone")
        assert self.check(run).value == VALID

    def test_another_answer_is_not_understood(self) -> None:
        assert self.check(self.told().ok("validate", 1, "perhaps")).value == UNKNOWN

    def test_too_little(self) -> None:
        assert self.check(Told().warm().fault().ok("validate", 7, "gone")).value == UNKNOWN
        assert self.check(Told().fault().ok("issue", 1).ok("validate", 1, "valid")).value == UNKNOWN
        assert self.check(Told().warm().ok("issue", 1).ok("validate", 1, "valid").fault()).value == UNKNOWN
        assert self.check(self.told().ok("issue", 2)).value == UNKNOWN


class TestCatalogue:
    def check(self, told: Told, **more: Any) -> Verdict:
        return judge(CatalogueChecker(LOAD, **more), told.history)

    def told(self) -> Told:
        return Told().warm().ok("create-keypair", "k1").ok("create-flavor", "f1").fault()

    def list(self, run: Told, keypairs: list[str], flavors: tuple[str, ...] = ("f1",)) -> Told:
        return run.ok("list-keypairs", None, keypairs).ok("list-flavors", None, list(flavors), node="n2")

    def test_what_was_created_is_listed_until_it_is_deleted(self) -> None:
        run = self.list(self.told(), ["k1"]).ok("delete-keypair", "k1").ok("create-keypair", "k2")
        verdict = self.check(self.list(run, ["k2"]))
        assert (verdict.value, verdict.offending) == (VALID, ())
        assert (verdict.figures["created"], verdict.figures["deleted"], verdict.figures["lists"]) == (3, 1, 4)

    def test_lost(self) -> None:
        verdict = self.check(self.list(self.told(), []))
        assert (verdict.value, kinds(verdict)) == (INVALID, {"lost"})
        assert "k1" in verdict.offending[0]
        verdict = self.check(self.list(self.told(), ["k1"], ()))
        assert (verdict.value, verdict.figures["lost"]) == (INVALID, 1)

    def test_lost_from_one_list_only(self) -> None:
        verdict = self.check(self.list(self.list(self.list(self.told(), ["k1"]), []), ["k1"]))
        assert (verdict.value, kinds(verdict)) == (INVALID, {"lost"})

    def test_what_is_lost_for_good_is_lost_once(self) -> None:
        verdict = self.check(self.list(self.list(self.list(self.told(), []), []), []))
        assert verdict.figures["lost"] == 1

    def test_kinds_are_kept_apart(self) -> None:
        for keypairs, value in (([], INVALID), (["k1"], VALID)):
            run = self.list(self.told().ok("create-flavor", "k1"), keypairs, ("f1", "k1"))
            assert self.check(run).value == value

    def test_a_delete_that_was_tried_excuses_it_and_one_that_was_refused_does_not(self) -> None:
        assert self.check(self.list(self.told().info("delete-keypair", "k1"), [])).value == VALID
        assert self.check(self.list(self.told().info("delete-keypair", "k1"), ["k1"])).value == VALID
        assert self.check(self.list(self.told().fail("delete-keypair", "k1"), [])).value == INVALID
        late = self.list(self.told(), []).info("delete-keypair", "k1")
        assert self.check(late).value == INVALID

    def test_a_list_that_overlaps_a_change_may_show_either(self) -> None:
        for names in ([], ["k1"]):
            run = self.told().ok("delete-keypair", "k1", at=5.0, took=1.0)
            run.ok("list-keypairs", None, names, at=4.9, took=0.5).wait(9)
            assert self.check(self.list(run, [])).value == VALID
        for names in (["k1"], ["k1", "k2"]):
            run = self.told().ok("create-keypair", "k2", at=5.0, took=1.0)
            run.ok("list-keypairs", None, names, at=5.5, took=0.1).wait(9)
            assert self.check(self.list(run, ["k1", "k2"])).value == VALID

    def test_but_what_was_listed_once_is_listed_from_then_on(self) -> None:
        run = self.told().ok("create-keypair", "k2", at=5.0, took=1.0)
        run.ok("list-keypairs", None, ["k1", "k2"], at=5.1, took=0.1)
        run.ok("list-keypairs", None, ["k1"], at=5.3, took=0.1).wait(9)
        assert kinds(self.check(self.list(run, ["k1", "k2"]))) == {"lost"}

    def test_resurrected(self) -> None:
        run = self.list(self.told().ok("delete-keypair", "k1"), [])
        verdict = self.check(self.list(run, ["k1"]))
        assert (verdict.value, kinds(verdict)) == (INVALID, {"resurrected"})
        assert self.check(self.list(self.told().ok("delete-keypair", "k1"), ["k1"])).value == INVALID

    def test_one_that_was_seen_to_be_gone_stays_away_too(self) -> None:
        run = self.list(self.list(self.told().info("delete-keypair", "k1"), []), ["k1"])
        assert kinds(self.check(run)) == {"resurrected"}
        slow = self.told().ok("delete-keypair", "k1", at=5.0, took=9.0)
        slow.ok("list-keypairs", None, [], at=6.0).ok("list-keypairs", None, ["k1"], at=7.0).wait(20)
        assert kinds(self.check(self.list(slow, []))) == {"resurrected"}

    def test_one_without_answer_may_be_there_or_not_but_not_come_and_go(self) -> None:
        run = self.told().info("create-keypair", "k2")
        assert self.check(self.list(run, ["k1"])).value == VALID
        verdict = self.check(self.list(run, ["k1", "k2"]))
        assert (verdict.value, verdict.figures["recovered"]) == (VALID, 1)
        assert kinds(self.check(self.list(run, ["k1"]))) == {"lost"}

    def test_a_stranger(self) -> None:
        assert kinds(self.check(self.list(self.told(), ["k1", "k9"]))) == {"unexpected"}
        assert kinds(self.check(self.list(self.told().fail("create-keypair", "k2"), ["k1", "k2"]))) == {"unexpected"}
        early = self.list(self.told(), ["k1", "k2"]).ok("create-keypair", "k2")
        assert kinds(self.check(self.list(early, ["k1", "k2"]))) == {"unexpected"}

    def test_somebody_else_s_objects_do_not_count(self) -> None:
        run = Told().warm().ok("create-keypair", "ours-1").fault().ok("list-keypairs", None, ["m1", "m1", "ours-1"])
        assert self.check(run, prefix="ours-").value == VALID
        assert self.check(run).value == INVALID
        run.ok("list-keypairs", None, ["ours-1", "ours-2"])
        assert self.check(run, prefix="ours-").value == INVALID

    def test_listed_twice(self) -> None:
        verdict = self.check(self.list(self.told(), ["k1", "k1"]))
        assert (verdict.value, kinds(verdict)) == (INVALID, {"duplicated"})

    def test_what_was_not_looked_for_again(self) -> None:
        run = self.list(self.told(), ["k1"])
        assert self.check(run.ok("create-keypair", "k2")).value == UNKNOWN
        assert self.check(self.list(run, ["k1", "k2"]).ok("delete-keypair", "k1")).value == UNKNOWN
        assert self.check(self.list(run, ["k2"])).value == VALID
        assert self.check(self.told().ok("list-keypairs", None, ["k1"])).value == UNKNOWN
        # Whether this one is still there is nobody's promise.
        run = self.list(self.told(), ["k1"]).ok("create-keypair", "k2").info("delete-keypair", "k2")
        assert self.check(run).value == VALID

    def test_a_list_that_failed_says_nothing(self) -> None:
        assert self.check(self.list(self.told().op("fail", "list-keypairs", None, []), ["k1"])).value == VALID

    def test_too_little(self) -> None:
        assert self.check(Told().warm().fault().ok("list-keypairs", None, [])).value == UNKNOWN
        assert self.check(self.list(Told().fault().ok("create-flavor", "f1"), [])).value == UNKNOWN
        assert self.check(self.list(Told().warm().ok("create-flavor", "f1"), []).fault()).value == UNKNOWN

    def test_a_name_that_is_used_twice_is_a_mistake(self) -> None:
        assert self.check(self.list(self.told().info("create-keypair", "k1"), ["k1"])).value == UNKNOWN

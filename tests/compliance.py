"""What compliance-checker says of a file."""

import json
from pathlib import Path


def failed_checks(checker: str, path: Path, folder: Path) -> tuple[bool, list[tuple[str, str]]]:
    """Whether the file passes at the strict level, and every check that is not fully kept."""
    from compliance_checker.runner import CheckSuite, ComplianceChecker

    CheckSuite.load_all_available_checkers()
    output = folder / "report.json"
    passed, crashed = ComplianceChecker.run_checker(
        str(path), [checker], 0, "strict", output_filename=str(output), output_format="json")
    assert not crashed
    report = json.loads(output.read_text())[checker]
    return passed, [(result["name"], message) for level in ("high", "medium", "low")
                    for result in report[f"{level}_priorities"] for message in result["msgs"]
                    if result["value"][0] < result["value"][1]]

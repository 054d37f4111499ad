"""What a person does with files through globus-sdk's TransferClient; prints what it was told.

Runs with globus-sdk 3 and 4. CLIENT_ID and CLIENT_SECRET are a service account's, SOURCE and
TARGET two collections, of which the first has a file scan.txt and a folder raw with two files.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import globus_sdk

SOURCE, TARGET = os.environ["SOURCE"], os.environ["TARGET"]


def refused(call: Any, *arguments: Any, **options: Any) -> list[Any]:
    try:
        call(*arguments, **options)
    except globus_sdk.TransferAPIError as error:
        return [error.http_status, error.code]
    return []


def names(listing: Any) -> list[str]:
    return [entry["name"] for entry in listing]


def main() -> dict[str, Any]:
    app = globus_sdk.ClientApp(
        "test", client_id=os.environ["CLIENT_ID"], client_secret=os.environ["CLIENT_SECRET"]
    )
    transfer = globus_sdk.TransferClient(app=app)
    told: dict[str, Any] = {"version": globus_sdk.__version__}
    told["endpoint"] = transfer.get_endpoint(SOURCE).data
    told["found"] = [e["id"] for e in transfer.endpoint_search(filter_fulltext="beam")]
    told["ls"] = names(transfer.operation_ls(SOURCE, path="/"))
    told["filtered"] = names(transfer.operation_ls(SOURCE, path="/", filter={"name": "~*.txt"}))
    told["ordered"] = names(transfer.operation_ls(SOURCE, path="/", orderby=["name DESC"]))
    told["made"] = transfer.operation_mkdir(TARGET, path="/results").data
    told["made_again"] = refused(transfer.operation_mkdir, TARGET, path="/results")
    told["missing"] = refused(transfer.operation_ls, TARGET, path="/nothing")
    told["outside"] = refused(transfer.operation_ls, TARGET, path="/../..")
    told["no_endpoint"] = refused(transfer.get_endpoint, "4c5e0b2e-0000-0000-0000-000000000000")

    wanted = globus_sdk.TransferData(
        source_endpoint=SOURCE,
        destination_endpoint=TARGET,
        label="A transfer",
        **({} if hasattr(globus_sdk, "MISSING") else {"transfer_client": transfer}),
    )
    wanted.add_item("/scan.txt", "/results/scan.txt")
    wanted.add_item("/raw", "/results/raw", recursive=True)
    submitted = transfer.submit_transfer(wanted)
    task_id = submitted["task_id"]
    told["submitted"] = submitted.data
    told["waited"] = transfer.task_wait(task_id, timeout=30, polling_interval=1)
    told["task"] = transfer.get_task(task_id).data
    told["tasks"] = [t["task_id"] for t in transfer.task_list(filter={"status": "SUCCEEDED"})]
    told["events"] = [e["code"] for e in transfer.task_event_list(task_id)]
    told["transferred"] = [
        item["destination_path"] for item in transfer.task_successful_transfers(task_id)
    ]
    told["stat"] = transfer.operation_stat(TARGET, "/results/scan.txt").data
    renamed = transfer.operation_rename(TARGET, "/results/raw", "/results/old")
    told["renamed"], told["rename_document"] = renamed["code"], renamed.data
    cancelled = transfer.cancel_task(task_id)
    told["cancelled"], told["cancel_document"] = cancelled["code"], cancelled.data
    told["task_page"] = transfer.task_list().data
    told["submission_id"] = transfer.get_submission_id().data

    failing = globus_sdk.TransferData(
        source_endpoint=SOURCE,
        destination_endpoint=TARGET,
        **({} if hasattr(globus_sdk, "MISSING") else {"transfer_client": transfer}),
    )
    told["no_items"] = refused(transfer.submit_transfer, failing)
    failing.add_item("/not-there", "/results/x")
    failed = transfer.submit_transfer(failing)["task_id"]
    transfer.task_wait(failed, timeout=30, polling_interval=1)
    told["failed"] = transfer.get_task(failed).data

    removal = globus_sdk.DeleteData(
        endpoint=TARGET,
        recursive=True,
        **({} if hasattr(globus_sdk, "MISSING") else {"transfer_client": transfer}),
    )
    removal.add_item("/results/old")
    accepted = transfer.submit_delete(removal)
    told["delete_document"], removed = accepted.data, accepted["task_id"]
    transfer.task_wait(removed, timeout=30, polling_interval=1)
    told["removed"] = transfer.get_task(removed).data
    told["left"] = names(transfer.operation_ls(TARGET, path="/results"))
    return told


if __name__ == "__main__":
    json.dump(main(), sys.stdout)

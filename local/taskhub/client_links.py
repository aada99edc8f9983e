"""The addresses under which a hub is managed, as Azure's durable client binding and 202 answers give them."""

import json
from urllib.parse import quote

WEBHOOK_PREFIX = "/runtime/webhooks/durabletask"
"""For people and other machines; every request shows the hub's key as `code`."""

RPC_PREFIX = "/durabletask"
"""For the app's own workers, which send no key."""

_INSTANCE_ID = "INSTANCEID"


def client_binding(base_url: str, hub_name: str, key: str) -> str:
    """Gives the JSON text that the SDK's durable client is made from; `base_url` is scheme, host and port."""
    webhooks = base_url.rstrip("/") + WEBHOOK_PREFIX
    code = f"code={quote(key)}"
    create = f"{webhooks}/orchestrators/{{functionName}}[/{{instanceId}}]"
    return json.dumps(
        {
            "taskHubName": hub_name,
            "creationUrls": {
                "createNewInstancePostUri": f"{create}?{code}",
                "createAndWaitOnNewInstancePostUri": (
                    f"{create}?timeout={{timeoutInSeconds}}&pollingInterval={{intervalInSeconds}}&{code}"
                ),
            },
            "managementUrls": management_links(base_url, hub_name, key, _INSTANCE_ID),
            "baseUrl": webhooks,
            "requiredQueryStringParameters": code,
            "rpcBaseUrl": f"{base_url.rstrip('/')}{RPC_PREFIX}/",
        }
    )


def management_links(base_url: str, hub_name: str, key: str, instance_id: str) -> dict[str, str]:
    """Gives the addresses of one instance; `{eventName}` and `{text}` are for the caller to fill in."""
    instance = f"{base_url.rstrip('/')}{WEBHOOK_PREFIX}/instances/{instance_id}"
    query = f"taskHub={quote(hub_name)}&connection=Storage&code={quote(key)}"
    return {
        "id": instance_id,
        "statusQueryGetUri": f"{instance}?{query}",
        "sendEventPostUri": f"{instance}/raiseEvent/{{eventName}}?{query}",
        "terminatePostUri": f"{instance}/terminate?reason={{text}}&{query}",
        "rewindPostUri": f"{instance}/rewind?reason={{text}}&{query}",
        "purgeHistoryDeleteUri": f"{instance}?{query}",
        "restartPostUri": f"{instance}/restart?{query}",
        "suspendPostUri": f"{instance}/suspend?reason={{text}}&{query}",
        "resumePostUri": f"{instance}/resume?reason={{text}}&{query}",
    }

"""The models of one process, and what is asked of it before there is one."""

from __future__ import annotations

import os
from typing import Any

from plumbline_torch.devices import choose_device, describe, load_libraries
from plumbline_torch.framing import Header

# What a folder lacks is not looked for elsewhere.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


class Host:
    """Sessions by number."""

    def __init__(self) -> None:
        self._sessions: dict[int, Any] = {}
        self._next = 0

    def handle(self, method: str, params: Header, arrays: list[Any]) -> tuple[Any, list[Any]]:
        """Answers one request."""
        if method == "describe":
            return describe(params.get("device", "auto")), []
        if method == "open":
            return self._open(params), []
        if method == "inspect":
            return self._inspect(params["folder"]), []
        if method == "close":
            self._close(params["model"])
            return None, []
        if method.startswith("_"):
            raise ValueError(f"there is no method {method}")
        answer: tuple[Any, list[Any]] = getattr(self.session(params["model"]), method)(params, arrays)
        return answer

    def session(self, model: int) -> Any:
        return self._sessions[model]

    def _open(self, params: Header) -> Any:
        load_libraries()
        import torch

        if params.get("threads"):
            torch.set_num_threads(params["threads"])
        device = choose_device(params["device"])
        from plumbline_torch.session import Session

        session = Session(params, device)
        self._next += 1
        self._sessions[self._next] = session
        return {**session.opened, "model": self._next}

    def _close(self, model: int) -> None:
        self._sessions.pop(model, None)
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _inspect(self, folder: str) -> Any:
        """What is known of a model without its weights."""
        load_libraries()
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        from plumbline_torch.model import facts

        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
        return facts(model)

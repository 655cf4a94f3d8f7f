import pytest

from services.accounts.adapters.memory import MemoryStore
from services.accounts.ports import Store
from tests.unit.accounts.store_promises import StorePromises


class TestMemoryStore(StorePromises):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()

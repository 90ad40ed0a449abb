from tests.unit._http.conftest import make_request as make_request
from tests.unit._http.conftest import make_response as make_response
from tests.unit._http.conftest import world as world

// npm install koffi
const koffi = require('koffi');

const library = koffi.load(process.env.TOKENMGR_LIBRARY ?? 'libtokenmgr.so.0');
for (const name of ['tm_manager', 'tm_response', 'tm_error']) koffi.opaque(name);
const tm_new = library.func('tm_manager *tm_new(str host, str username, str password, str options, _Out_ tm_error **err)');
const tm_free = library.func('void tm_free(tm_manager *tm)');
const tm_request = library.func('tm_response *tm_request(tm_manager *tm, str method, str url, const void *body, size_t len, str options, _Out_ tm_error **err)');
const tm_response_body = library.func('str tm_response_body(const tm_response *r)');
const tm_response_error = library.func('const tm_error *tm_response_error(const tm_response *r)');
const tm_response_free = library.func('void tm_response_free(tm_response *r)');
const tm_error_message = library.func('str tm_error_message(const tm_error *e)');
const tm_error_free = library.func('void tm_error_free(tm_error *e)');

function or_throw(handle, err) {
    if (handle) return handle;
    const message = tm_error_message(err[0]);
    tm_error_free(err[0]);
    throw new Error(message);
}

const err = [null];
const tm = or_throw(tm_new(null, null, null, null, err), err); // host and credentials from the environment
try {
    const response = or_throw(tm_request(tm, 'GET', '/api/v1/products', null, 0, null, err), err);
    try {
        const refused = tm_response_error(response); // a 4xx or 5xx: borrowed, never freed
        if (refused) throw new Error(tm_error_message(refused));
        for (const product of JSON.parse(tm_response_body(response)).data) console.log(product.name);
    } finally {
        tm_response_free(response);
    }
} finally {
    tm_free(tm);
}

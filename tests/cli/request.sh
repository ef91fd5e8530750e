# shellcheck shell=bash
# What a request sends, and what it prints. A part of tests/cli/run.

part 'request'
expect 0 request GET /api/v1/products
check 'the products' is "$(field '.data | length')" 3
expect 0 request GET "$api/api/v1/products" -i
check 'the status' is "$(head -n 1 "$work/out")" 'HTTP 200'
check 'a header' contains "${out,,}" $'\ncontent-type: application/json\n'
check 'the body, after an empty line' is "$(sed '1,/^$/d' "$work/out" | jq '.data | length')" 3
expect 0 request DELETE '/api/v1/echo?a=b%20c'
check 'the method' is "$(field .data.method)" DELETE
check 'the query' is "$(field .data.query_string)" a=b%20c

part 'request: what is sent'
expect 0 request POST /api/v1/echo -d "$secret_body"
check 'the body' is "$(field .data.body)" "$secret_body"
check 'is JSON' is "$(field '.data.headers["content-type"][0]')" application/json
expect 0 request -d '' POST /api/v1/echo
check 'an empty body' is "$(field .data.body_bytes)" 0
head -c 300000 /dev/urandom >"$work/binary"
base64 -w 0 <"$work/binary" >"$work/base64"
for source in "@$work/binary" @-; do
    expect 0 request -d "$source" -H 'Content-Type: application/octet-stream' POST /api/v1/echo <"$work/binary"
    field .data.body_base64 | tr -d '\n' >"$work/echoed"
    check "$source, byte for byte" same_bytes "$work/base64" "$work/echoed"
    check "$source has its type" is "$(field '.data.headers["content-type"] | join(",")')" application/octet-stream
done
odd='"quoted" back\slash ünï'
expect 0 request GET /api/v1/echo -H "X-Odd: $odd" -H 'X-Twice: one' -H 'x-twice:two' -H $'X-Tab: a\tb' -H 'X-Empty:'
check 'a header as it was given' is "$(field '.data.headers["x-odd"][0]')" "$odd"
check 'a header given twice' is "$(field '.data.headers["x-twice"] | join(",")')" one,two
check 'a header with a tab' is "$(field '.data.headers["x-tab"][0]')" $'a\tb'
check 'a header without a value' is "$(field '.data.headers["x-empty"][0]')" ''
expect 2 request GET /api/v1/echo -H $'X-Latin: \xfc'
expect 2 request GET /api/v1/echo -H $'X-Split: a\r\nX-Forged: b'
calls=$(counter api_arrivals)
expect 2 request GET http://127.0.0.1:1/elsewhere
expect 2 request 'GE T' /api/v1/products
check 'nothing was sent' is "$(counter api_arrivals)" "$calls"

part 'request: what is received'
python3 -c 'import sys; sys.stdout.buffer.write(bytes(i % 251 for i in range(200000)))' >"$work/pattern"
expect 0 request GET '/api/v1/blob?bytes=200000'
check 'binary to stdout' same_bytes "$work/pattern" "$work/out"
expect 0 request GET '/api/v1/blob?bytes=200000&gzip=1' -o "$work/blob"
check 'binary to a file' same_bytes "$work/pattern" "$work/blob"
check 'and to nowhere else' is "$out" ''
expect 0 request GET '/api/v1/blob?bytes=0' -o "$work/blob"
check 'an empty body' is "$(wc -c <"$work/blob")" 0
expect 11 request GET /api/v1/products -o "$work/none/file"
expect 11 request GET /api/v1/products -o /dev/full
expect 11 request POST /api/v1/echo -d "@$work/none"
expect 11 request POST /api/v1/echo -d "@$work"
tokenmgr request GET '/api/v1/blob?bytes=2000000' 2>"$work/err" | head -c 1 >/dev/null
check 'a reader that leaves' is "${PIPESTATUS[0]}" 11

# shellcheck shell=bash
# Bodies that need not fit in memory, and files that are written whole or not at all. A part of tests/cli/run.

part 'request: bodies that need not fit in memory'
# run_measured ARGUMENT...: sets code and most, the most memory that it took, in MiB.
run_measured() {
    python3 - "$@" <<'END' >"$work/out" 2>"$work/err"
import os, resource, subprocess, sys
code = subprocess.call(["tokenmgr", *sys.argv[1:]], stdout=subprocess.DEVNULL)
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
END
    read -r code most <"$work/out"
    err=$(<"$work/err")
}
folder=$work/folder
mkdir "$folder"
large=$((64 << 20))
run_measured request GET "/api/v1/blob?bytes=$large" -o "$folder/large"
check 'a large answer' is "$code $(wc -c <"$folder/large")" "0 $large"
check 'takes little memory' test "$most" -lt 40
run_measured request -f -d "@$folder/large" POST /api/v1/status/200 --timeout 60
check 'and so does a large file to send' test "$code$err" = 0 -a "$most" -lt 40
mkfifo "$work/pipe"
cat "$folder/large" >"$work/pipe" &
run_measured request -f -d "@$work/pipe" POST /api/v1/status/200 --timeout 60
check 'and a large pipe' test "$code$err" = 0 -a "$most" -lt 40
wait $!
TOKENMGR_OPTIONS='{"max_response_bytes":1000,"store":{"type":"memory"}}' expect 0 request GET '/api/v1/blob?bytes=200000' -o -
check '-o - is stdout, and no size is too large for it' same_bytes "$work/pattern" "$work/out"
TOKENMGR_OPTIONS='{"max_response_bytes":1000,"store":{"type":"memory"}}' expect 7 request GET '/api/v1/blob?bytes=200000'
check 'without -o it is printed whole or not at all' is "$out" ''
api_fault() { control "{\"faults\":{\"route\":\"/api/*\",$1}}"; }
api_fault '"do":"trickle_body"'
tokenmgr request GET '/api/v1/blob?bytes=1000000' -o - 2>/dev/null | head -c 3 >"$work/out"
check '-o - prints what has arrived, and ends when nobody reads it' is "${PIPESTATUS[0]} $(wc -c <"$work/out")" '11 3'
api_fault '"do":"truncate","bytes":100000'
expect 5 request GET '/api/v1/blob?bytes=200000' -o "$folder/cut"
api_fault '"do":"truncate","bytes":100000'
echo kept >"$folder/kept"
expect 5 request GET '/api/v1/blob?bytes=200000' -o "$folder/kept"
check 'what is cut off leaves no file' is "$(ls -A "$folder") $(<"$folder/kept")" $'kept\nlarge kept'
arrived=$(counter api_arrivals)
api_fault '"do":"trickle_body"'
env --default-signal=INT tokenmgr request GET '/api/v1/blob?bytes=200000' -o "$folder/kept" &
until [ "$(counter api_arrivals)" -gt "$arrived" ]; do sleep 0.02; done
kill -INT $!
wait $! 2>/dev/null
check 'SIGINT neither' is "$? $(ls -A "$folder") $(<"$folder/kept")" $'130 kept\nlarge kept'
chmod 640 "$folder/kept"
ln -s kept "$folder/link"
expect 0 request GET '/api/v1/blob?bytes=200000' -o "$folder/link"
check 'a link stays one' same_bytes "$work/pattern" "$folder/kept"
check 'and a file keeps its mode' is "$(stat -c %a "$folder/kept")" 640
(umask 027 && tokenmgr request GET '/api/v1/products' -o "$folder/new")
check 'a new one has that of the umask' is "$(stat -c %a "$folder/new")" 640
expect 0 request GET /api/v1/status/404 -o "$folder/new"
check 'an error without -f is written too' is "$(jq -r .error.code "$folder/new")" as_requested
expect 0 request GET '/api/v1/blob?bytes=5' -i -o "$folder/new"
check '-i with -o' is "$(head -n 1 "$folder/new") $(tail -c 5 "$folder/new" | od -An -tx1)" 'HTTP 200  00 01 02 03 04'
if [ "$(id -u)" = 0 ]; then
    echo short >"$folder/foreign" && chmod 666 "$folder/foreign" && chmod 755 "$folder"
    setpriv --reuid=65534 --clear-groups build/bin/tokenmgr request GET '/api/v1/blob?bytes=200000' -o "$folder/foreign"
    check 'a file that is writable where its folder is not' same_bytes "$work/pattern" "$folder/foreign"
fi
# A file is sent again after a 401, and so is a pipe that is not large; a large one is not.
expect 0 request GET /api/v1/echo
for source in '@/proc/self/stat' "@$work/binary" @- ; do
    before=$(counter api_401)
    api_fault '"status":401'
    run request -d "$source" POST /api/v1/echo < <(cat "$work/binary")
    check "$source is sent again after a 401" is "$code $(counter api_401) $(field '.data.body_bytes > 0')" "0 $((before + 1)) true"
    check "$source has its size" is "$(field '.data.headers["content-length"][0] == (.data.body_bytes | tostring)')" true
done
calls=$(counter api_arrivals)
api_fault '"status":401'
run request -f -d @- POST /api/v1/echo < <(head -c 3000000 /dev/zero)
check 'a large pipe is not' is "$code $(counter api_arrivals)" "3 $((calls + 1))"
check 'and its 401 is told' is "${err:0:10}" 'tokenmgr: '
run request -d @- POST /api/v1/echo < <(head -c 3000000 /dev/zero)
check 'its size is not known' is "$code $(field '.data.body_bytes, .data.headers["transfer-encoding"][0]')" $'0 3000000\nchunked'
run request -d @- POST /api/v1/echo < <(:)
check 'an empty pipe' is "$code $(field .data.body_bytes)" '0 0'
{ read -r _; run request -d @- POST /api/v1/echo; } < <(printf 'line\nbody')
check 'stdin from where it stands' is "$(field .data.body)" body
printf 'line\nbody' >"$work/lines"
{ read -r _; run request -d @- POST /api/v1/echo; } <"$work/lines"
check 'a file as stdin too' is "$(field .data.body)" body

import java.lang.foreign.*;
import java.lang.invoke.MethodHandle;
import static java.lang.foreign.ValueLayout.*;

class Products {
    static final String LIBRARY = System.getenv().getOrDefault("TOKENMGR_LIBRARY", "libtokenmgr.so.0");
    static final SymbolLookup SYMBOLS = SymbolLookup.libraryLookup(LIBRARY, Arena.global());
    static final MemorySegment NULL = MemorySegment.NULL;

    static MethodHandle function(String name, FunctionDescriptor type) {
        return Linker.nativeLinker().downcallHandle(SYMBOLS.find(name).orElseThrow(), type);
    }

    static final MethodHandle NEW = function("tm_new", FunctionDescriptor.of(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
    static final MethodHandle FREE = function("tm_free", FunctionDescriptor.ofVoid(ADDRESS));
    static final MethodHandle REQUEST = function("tm_request",
        FunctionDescriptor.of(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
    static final MethodHandle BODY = function("tm_response_body", FunctionDescriptor.of(ADDRESS, ADDRESS));
    static final MethodHandle REFUSED = function("tm_response_error", FunctionDescriptor.of(ADDRESS, ADDRESS));
    static final MethodHandle FREE_RESPONSE = function("tm_response_free", FunctionDescriptor.ofVoid(ADDRESS));
    static final MethodHandle MESSAGE = function("tm_error_message", FunctionDescriptor.of(ADDRESS, ADDRESS));
    static final MethodHandle FREE_ERROR = function("tm_error_free", FunctionDescriptor.ofVoid(ADDRESS));

    static String text(MemorySegment string) {
        return string.reinterpret(Long.MAX_VALUE).getString(0);
    }

    static MemorySegment orThrow(MemorySegment handle, MemorySegment err) throws Throwable {
        if (!handle.equals(NULL)) return handle;
        MemorySegment error = err.get(ADDRESS, 0);
        String message = text((MemorySegment) MESSAGE.invokeExact(error));
        FREE_ERROR.invokeExact(error);
        throw new RuntimeException(message);
    }

    public static void main(String[] arguments) throws Throwable {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment err = arena.allocate(ADDRESS), get = arena.allocateFrom("GET"), url = arena.allocateFrom("/api/v1/products");
            MemorySegment tm = orThrow((MemorySegment) NEW.invokeExact(NULL, NULL, NULL, NULL, err), err); // all from the environment
            try {
                MemorySegment response = orThrow((MemorySegment) REQUEST.invokeExact(tm, get, url, NULL, 0L, NULL, err), err);
                try {
                    MemorySegment refused = (MemorySegment) REFUSED.invokeExact(response); // a 4xx or 5xx: borrowed, never freed
                    if (!refused.equals(NULL)) throw new RuntimeException(text((MemorySegment) MESSAGE.invokeExact(refused)));
                    System.out.println(text((MemorySegment) BODY.invokeExact(response)));
                } finally {
                    FREE_RESPONSE.invokeExact(response);
                }
            } finally {
                FREE.invokeExact(tm);
            }
        }
    }
}

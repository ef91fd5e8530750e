/* Fetches the product list: the whole of what a client has to do.
 *
 *   cc products.c $(pkg-config --cflags --libs tokenmgr) -o products
 *   TOKENMGR_HOST=https://api.example.com TOKENMGR_USERNAME=shop TOKENMGR_PASSWORD_FILE=/run/secrets/api ./products
 */
#include <stdio.h>
#include <tokenmgr.h>

static int fail(tm_error *err) {
    fprintf(stderr, "products: %s\n", tm_error_message(err));
    tm_error_free(err);
    return 1;
}

int main(void) {
    tm_error *err = NULL;
    tm_manager *tm = tm_new(NULL, NULL, NULL, NULL, &err); /* host and credentials from the environment */
    if (!tm) return fail(err);

    tm_response *response = tm_request(tm, "GET", "/api/v1/products", NULL, 0, NULL, &err);
    if (!response) {
        tm_free(tm);
        return fail(err);
    }
    const tm_error *refused = tm_response_error(response); /* a 4xx or 5xx: borrowed, never freed */
    if (refused) fprintf(stderr, "products: %s\n", tm_error_message(refused));

    printf("%d\n", (int)tm_response_status(response));
    fwrite(tm_response_body(response), 1, tm_response_body_len(response), stdout);
    putchar('\n');

    tm_response_free(response);
    tm_free(tm);
    return refused ? 1 : 0;
}

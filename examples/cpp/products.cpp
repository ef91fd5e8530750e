/* Fetches the product list: the whole of what a client has to do.
 *
 *   c++ -std=c++17 products.cpp $(pkg-config --cflags --libs tokenmgr) -o products
 *   TOKENMGR_HOST=https://api.example.com TOKENMGR_USERNAME=shop TOKENMGR_PASSWORD_FILE=/run/secrets/api ./products
 */
#include <iostream>
#include <tokenmgr.hpp>

int main() {
    try {
        tokenmgr::manager tm; // host and credentials from the environment
        auto products = tm.request("GET", "/api/v1/products").checked();
        std::cout << products.body() << '\n';
    } catch (const tokenmgr::exception &e) {
        std::cerr << "products: " << e.what() << '\n';
        return 1;
    }
}

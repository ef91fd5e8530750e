require 'fiddle/import'
require 'json'

module TokenMgr
  extend Fiddle::Importer
  dlload ENV.fetch('TOKENMGR_LIBRARY', 'libtokenmgr.so.0')
  extern 'void *tm_new(char *host, char *username, char *password, char *options, void *err)'
  extern 'void tm_free(void *tm)'
  extern 'void *tm_request(void *tm, char *method, char *url, void *body, size_t len, char *options, void *err)'
  extern 'char *tm_response_body(void *r)'
  extern 'void *tm_response_error(void *r)'
  extern 'void tm_response_free(void *r)'
  extern 'char *tm_error_message(void *e)'
  extern 'void tm_error_free(void *e)'

  # Gives the block a place for an error, and what the block made back; or raises.
  def self.made
    err = Fiddle::Pointer.malloc(Fiddle::SIZEOF_VOIDP, Fiddle::RUBY_FREE)
    handle = yield err
    return handle unless handle.null?

    message = tm_error_message(err.ptr).to_s
    tm_error_free(err.ptr)
    raise message
  end
end

begin
  tm = TokenMgr.made { |err| TokenMgr.tm_new(nil, nil, nil, nil, err) } # host and credentials from the environment
  response = TokenMgr.made { |err| TokenMgr.tm_request(tm, 'GET', '/api/v1/products', nil, 0, nil, err) }
  refused = TokenMgr.tm_response_error(response) # a 4xx or 5xx: borrowed, never freed
  raise TokenMgr.tm_error_message(refused).to_s unless refused.null?

  JSON.parse(TokenMgr.tm_response_body(response).to_s)['data'].each { |product| puts product['name'] }
ensure
  TokenMgr.tm_response_free(response)
  TokenMgr.tm_free(tm)
end

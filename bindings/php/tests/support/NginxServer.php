<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

/**
 * nginx, which hands every request to an FPM pool.
 */
final class NginxServer extends Server
{
    public readonly string $url;

    public function __construct(FpmServer $fpm)
    {
        parent::__construct();
        $port = self::freePort();
        $this->url = "http://127.0.0.1:$port";
        $script = realpath(__DIR__ . '/../fpm/app.php');
        $user = posix_geteuid() === 0 ? 'user root;' : '';
        file_put_contents("$this->folder/nginx.conf", <<<CONF
            daemon off;
            $user
            worker_processes 1;
            pid $this->folder/pid;
            error_log $this->folder/error.log;
            events { worker_connections 128; }
            http {
                access_log off;
                client_body_temp_path $this->folder/1;
                proxy_temp_path $this->folder/2;
                fastcgi_temp_path $this->folder/3;
                uwsgi_temp_path $this->folder/4;
                scgi_temp_path $this->folder/5;
                server {
                    listen 127.0.0.1:$port;
                    location / {
                        fastcgi_pass unix:{$fpm->socket()};
                        fastcgi_param SCRIPT_FILENAME $script;
                        fastcgi_param REQUEST_METHOD \$request_method;
                        fastcgi_param QUERY_STRING \$query_string;
                        fastcgi_param TOKENMGR_HOST https://param.example;
                    }
                }
            }
            CONF);
        $this->start('nginx', '-c', "$this->folder/nginx.conf", '-p', $this->folder, '-e', "$this->folder/error.log");
        $this->await(fn () => @fsockopen('127.0.0.1', $port) !== false);
    }

    /**
     * Sends so many requests, 16 at a time.
     *
     * @return list<array<string, mixed>> the answers
     */
    public function requests(int $count): array
    {
        $multi = curl_multi_init();
        $answers = [];
        for ($begun = 0; count($answers) < $count;) {
            for (; $begun < $count && $begun - count($answers) < 16; $begun++) {
                $handle = curl_init($this->url);
                curl_setopt_array($handle, [CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 60]);
                curl_multi_add_handle($multi, $handle);
            }
            curl_multi_exec($multi, $running);
            curl_multi_select($multi);
            while ($done = curl_multi_info_read($multi)) {
                $body = (string) curl_multi_getcontent($done['handle']);
                $answers[] = json_decode($body, true) ?? ['problem' => "no JSON: $body"];
                curl_multi_remove_handle($multi, $done['handle']);
            }
        }

        return $answers;
    }
}

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "connector.accounts"
    label = "accounts"

    def ready(self):
        from connector.accounts import applications, sealing

        sealing.keys()
        applications.check_environment()
